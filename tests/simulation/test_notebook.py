"""What a notebook shows: a result, a prescription, audio."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from cases import quick_profile

import hearsim as hs
from hearsim.metrics.intelligibility import stoi

NOISE = hs.Audio((0.1 * np.random.default_rng(0).standard_normal((2, 44100))).astype(np.float32), 44100)


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_audio_shows_as_a_player_of_its_own_sound() -> None:
    page = hs.Audio(3 * NOISE.samples, 44100)._repr_html_()
    assert page is not None
    data = re.fullmatch(r'<audio controls preload="metadata" src="data:audio/wav;base64,(.*)"></audio>', page)
    assert data is not None
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data[1])))
    assert rate == 44100
    np.testing.assert_allclose(samples.T, np.clip(3 * NOISE.samples, -1, 1), atol=1 / 2**15)
    assert hs.Audio(np.zeros((4, 2, 9), np.float32), 44100)._repr_html_() is None


def test_a_result_shows_players_measures_and_ledger() -> None:
    result = hs.listen(quick_profile("asymmetric-instrumental"), NOISE)
    page, sounds = result._repr_html_(), (result.unaided, result.aided, result.heard)
    assert page.count("<audio ") == 3 and [row[0] for row in cells(page)[:3]] == ["unaided", "aided", "heard"]
    data = [re.findall(r'base64,([^"]*)"', sound._repr_html_() or "")[0] for sound in sounds]
    assert re.findall(r'base64,([^"]*)"', page) == data
    rows = {row[0]: row[1:] for row in cells(page)}
    lufs = next(name for name in rows if "lufs" in name)
    assert rows[lufs][1] == f"{result.score(lufs):.3f}".replace("-", "−")
    assert "no true stems" in rows["stoi_vocals"][1]  # and says so in place of a number
    assert rows["live delay"][2:] == [str(result.ledger.total_samples), "", f"{result.ledger.total_ms:.2f}"]


def test_stoi_is_against_the_song_and_needs_no_stems() -> None:
    song = hs.mixture(hs.demo_song(3.0))
    result = hs.listen(quick_profile("asymmetric-instrumental"), song)
    expected = stoi(song.samples.mean(axis=0), result.heard.samples.mean(axis=0), song.rate)
    assert result.score("stoi") == pytest.approx(expected, abs=1e-3) and 0.1 < expected < 0.99
    assert result.score("si_sdr_db") < 20
    with pytest.raises(hs.HearsimError, match="no metric of the heard sound is called 'stoy': did you mean stoi"):
        result.score("stoy")


def test_a_prescription_shows_as_a_table() -> None:
    gains = hs.prescribe("nal-r", hs.Listener.from_thresholds({500: 30, 1000: 40, 2000: 55, 4000: 65}, name="<Anna>"))
    page = gains._repr_html_()
    rows = {row[0]: row[1:] for row in cells(page)}
    assert rows["speech, dB SPL"][3] == "1000 Hz" and rows["right, 65"][3] == f"{gains.gain_db[1, 3, 1]:.1f}"
    assert "&lt;Anna&gt;" in page and "<Anna>" not in page
