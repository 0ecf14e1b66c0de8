"""STOI and ESTOI: pystoi itself, longer signals by brute force, and the signals where pystoi can't tell."""

import warnings

import numpy as np
import pytest
import soxr
from pystoi import stoi as pystoi

from hearsim.core.errors import HearsimError
from hearsim.metrics.intelligibility import StoiMeter, stoi
from hearsim.music.demo_song import demo_song, mixture

RATE = 10000


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise with a slow, deep modulation, so that some frames are 40 dB down."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    return (rng.standard_normal(n) * np.sin(np.arange(n) / 3000) ** 4).astype(np.float32)


def noisy(clean: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(9)
    return (clean + 0.5 * rng.standard_normal(clean.size)).astype(np.float32)


@pytest.fixture(scope="module")
def voiced() -> np.ndarray:
    """The demo song's voice, and the whole song, mono at 44.1 kHz."""
    stems = demo_song(4.0)
    return np.stack((stems.samples[0].mean(axis=0), mixture(stems).samples.mean(axis=0)))


@pytest.mark.parametrize("extended", [False, True])
def test_a_minute_is_pystois_own(extended: bool) -> None:
    clean = babble(60)
    ours, theirs = (f(clean, noisy(clean), RATE, extended=extended) for f in (stoi, pystoi))
    assert 0.2 < ours < 0.95
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_longer_is_the_mean_over_minutes_by_speech() -> None:
    """Minutes of different quality: in the second there is a tenth of the speech, 33 dB down; the third is silent."""
    second = np.concatenate((0.02 * babble(8, 1), np.zeros(52 * RATE, np.float32)))
    clean = np.concatenate((babble(60), second, 1e-4 * babble(20, 2)))
    processed = np.concatenate((clean[: 60 * RATE], noisy(clean[60 * RATE :])))
    frames = [np.linalg.norm(clean[i : i + 256] * np.hanning(258)[1:-1]) for i in range(0, clean.size - 256, 128)]
    loud = 128 * np.flatnonzero(np.array(frames) > max(frames) / 100)  # 40 dB
    speaks = [np.count_nonzero((loud >= s * RATE) & (loud < (s + 60) * RATE)) for s in (0, 60, 120)]
    assert speaks[2] == 0 and 100 < speaks[1] < 0.2 * speaks[0]
    parts = [pystoi(clean[s : s + 60 * RATE], processed[s : s + 60 * RATE], RATE) for s in (0, 60 * RATE)]
    assert parts[1] < parts[0] - 0.5
    assert stoi(clean, processed) == pytest.approx(np.average(parts, weights=speaks[:2]), abs=1e-3)


def test_streams_in_pieces_and_out_of_step() -> None:
    """Two versions of 65 s at 20 kHz, in blocks of 1000, one of them coming half a second later than the other."""
    clean = soxr.resample(np.concatenate((0.1 * babble(60), babble(5, 4))), RATE, 2 * RATE)
    versions = {"early": noisy(clean), "late": np.roll(clean, 7)}
    meter = StoiMeter(2 * RATE, tuple(versions))
    for start in range(0, clean.size + 10000, 1000):
        for name, late in (("early", 0), ("late", 10000)):
            if late <= start < clean.size + late:
                piece = versions[name][start - late : start - late + 1000]
                meter.add(name, np.stack((piece, piece)))
        if start < clean.size:
            meter.add_reference(clean[None, start : start + 1000])
    meter.finish()
    figures = {(n, kind): meter.value(n, kind) for n in versions for kind in ("stoi", "estoi")}
    for (name, kind), figure in figures.items():
        whole = stoi(clean, versions[name], 2 * RATE, extended=kind == "estoi")
        assert figure == pytest.approx(whole, abs=1e-6)
    assert len({round(figure, 3) for figure in figures.values()}) == 4


def test_signals_of_unequal_length_are_refused() -> None:
    for seconds in (2, 62):  # within one excerpt, and in another
        meter = StoiMeter(RATE, ("longer",))
        meter.add_reference(babble(1)[None])
        meter.add("longer", babble(seconds)[None])
        with pytest.raises(HearsimError, match="equal length"):
            meter.finish()


def test_a_click_in_a_silent_minute_does_no_harm() -> None:
    """In the second minute pystoi alone would give up; the first still counts."""
    quiet = np.zeros(60 * RATE, np.float32)
    quiet[1000:1250] = 1.0
    clean = np.concatenate((babble(60) / 4, quiet))
    processed = noisy(clean)
    expected = pystoi(clean[: 60 * RATE], processed[: 60 * RATE], RATE)
    assert stoi(clean, processed) == pytest.approx(expected, abs=1e-9)


def test_refuses_exactly_where_pystoi_gives_up() -> None:
    refused, given_up = [], []
    noise = np.random.default_rng(3).standard_normal(6000).astype(np.float32)
    for frames in range(200, 5000, 16):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                pystoi(noise[:frames], noise[:frames], RATE)
                given_up.append(bool(caught))
            except ValueError:  # pystoi fails on less than one frame
                given_up.append(True)
        try:
            stoi(noise[:frames], noise[:frames])
            refused.append(False)
        except HearsimError as error:
            assert "less than half a second" in str(error)
            refused.append(True)
    assert refused == given_up
    assert 0 < sum(refused) < len(refused)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("extended", [False, True])
def test_other_rates_are_close_to_pystois_resampler(voiced: np.ndarray, rate: int, extended: bool) -> None:
    voice, mix = (soxr.resample(x, 44100, rate) for x in voiced)
    theirs = pystoi(voice, mix, rate, extended=extended)
    assert stoi(voice, mix, rate, extended=extended) == pytest.approx(theirs, abs=1e-4)


def test_estoi_is_repeatable_where_the_signal_is_silent() -> None:
    """pystoi dithers with numpy's global generator: unseeded, this figure moves by 0.001 from call to call."""
    clean = babble(4)
    processed = noisy(clean)
    processed[: 2 * RATE] = 0.0
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.standard_normal()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    first = stoi(clean, processed, extended=True)
    assert np.random.standard_normal() == expected  # noqa: NPY002
    assert stoi(clean, processed, extended=True) == first


def test_bad_input_is_refused_by_name() -> None:
    clean = babble(2)
    broken = clean.copy()
    broken[7] = np.nan
    for pair in ((clean, broken), (broken, clean)):
        with pytest.raises(HearsimError, match="NaN"):
            stoi(*pair)
    with pytest.raises(HearsimError, match="mono"):
        stoi(np.stack((clean, clean)), np.stack((clean, clean)))
    with pytest.raises(HearsimError, match="speaks"):
        stoi(np.zeros(0, np.float32), np.zeros(0, np.float32))
