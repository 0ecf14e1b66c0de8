"""`hearsim score`: metrics of two files, and a sentence for two that can't be compared."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.core.errors import HearsimError
from hearsim.metrics.intelligibility import stoi
from hearsim.music.demo_song import demo_song
from hearsim.profile.load import load_profile
from hearsim.report.score import score

RATE, FRAMES = 16000, 3 * 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech-like noise in bursts, and what could have become of it."""
    folder = tmp_path_factory.mktemp("score")
    rng = np.random.default_rng(0)
    bursts = 0.05 + np.abs(np.sin(np.arange(FRAMES) * 5e-4))[:, None]
    sound = 0.1 * bursts * signal.lfilter([1], [1, -0.8], rng.standard_normal((FRAMES, 2)), axis=0)
    noisy = 0.5 * sound + 0.03 * rng.standard_normal(sound.shape)
    files = {
        "sound": sound,
        "noisy": noisy,
        "late": np.concatenate((np.zeros((100, 2)), noisy[:-100])),
        "short": noisy[:-1],
        "silent": 0 * sound,
        "other": 0.1 * rng.standard_normal(sound.shape),
        "mono": sound.mean(axis=1),
        "opposite": np.stack((sound[:, 0], -sound[:, 0]), axis=1),
        "opposite-late": np.stack((late := np.roll(sound[:, 0], 300), -late), axis=1),
        "hum": np.sin(np.arange(FRAMES)[:, None] * [0.03, 0.03]) * 0.3,
    }
    for name, samples in files.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, "FLOAT")
    soundfile.write(folder / "fast.wav", noisy, 2 * RATE, "FLOAT")
    return folder


def test_metrics_are_what_they_are_called(folder: Path) -> None:
    found = score(folder / "sound.wav", folder / "noisy.wav")
    s, e = (soundfile.read(folder / f"{name}.wav")[0].T for name in ("sound", "noisy"))
    target = s * (s * e).sum() / (s * s).sum()
    metrics = found["metrics"]
    assert metrics["si_sdr_db"] == pytest.approx(10 * np.log10((target**2).sum() / ((e - target) ** 2).sum()), abs=1e-3)
    assert metrics["csdr_db"] == pytest.approx(10 * np.log10((s**2).sum() / ((s - e) ** 2).sum()), abs=1e-3)
    frames = [slice(i * RATE, (i + 1) * RATE) for i in range(3)]
    each = [10 * np.log10((s[:, f] ** 2).sum() / ((s - e)[:, f] ** 2).sum()) for f in frames]
    assert metrics["energy_sdr_db"] == pytest.approx(np.median(each), abs=1e-3)
    assert metrics["stoi"] == pytest.approx(stoi(s.mean(0), e.mean(0), RATE), abs=1e-3)
    assert metrics["estoi"] == pytest.approx(stoi(s.mean(0), e.mean(0), RATE, extended=True), abs=1e-3)
    assert metrics["lag_samples"] == pytest.approx(0, abs=0.05)
    levels = found["levels"]["processed"]
    assert levels["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(e).max()), abs=1e-3)
    assert levels["rms_dbfs"]["right"] == pytest.approx(10 * np.log10((e[1] ** 2).mean()), abs=1e-3)
    assert found["levels"]["reference"]["lufs"] > levels["lufs"] + 3
    assert found["unavailable"] == {} and found["profile"] is None
    assert "rms_db_spl" not in levels


def resampled(sound: np.ndarray, ratio: float, late: float = 0.0) -> np.ndarray:
    """Return a sound (frames, channels) played by a clock that is slower by a ratio, and later."""
    t = np.arange(len(sound))
    return np.stack([np.interp(t * ratio - late, t, channel) for channel in sound.T], axis=1)


def shifted(sound: np.ndarray, late: int) -> np.ndarray:
    return np.concatenate((np.zeros((late, 2)), sound[: len(sound) - late]))


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """The built-in song (frames, channels): its bars and tones repeat."""
    return demo_song(8.0).samples.sum(axis=0).T


@pytest.mark.parametrize("late", [12000, 44100])
def test_a_late_song_is_told_its_delay(song: np.ndarray, tmp_path: Path, late: int) -> None:
    """272 ms and 1 s, clean and through noise; the song's own periods (2857 samples) are no answer."""
    noise = 0.05 * np.random.default_rng(0).standard_normal(song.shape)
    for sound in (song, song + noise):
        soundfile.write(tmp_path / "reference.wav", song, 44100, "FLOAT")
        soundfile.write(tmp_path / "processed.wav", shifted(sound, late), 44100, "FLOAT")
        with pytest.raises(HearsimError, match=rf"processed\.wav comes {late} samples \(.*\) later .*: cut {late} off"):
            score(tmp_path / "reference.wav", tmp_path / "processed.wav")


@pytest.mark.parametrize(("reference_late", "late"), [(0, 1), (0, 40), (40, -40)])
def test_under_a_millisecond_the_metrics_are_those_at_that_lag(
    song: np.ndarray, tmp_path: Path, reference_late: int, late: int
) -> None:
    soundfile.write(tmp_path / "reference.wav", shifted(song, reference_late), 44100, "FLOAT")
    soundfile.write(tmp_path / "processed.wav", shifted(song, reference_late + late), 44100, "FLOAT")
    found = score(tmp_path / "reference.wav", tmp_path / "processed.wav")["metrics"]
    assert found["lag_samples"] == late
    assert found["si_sdr_db"] == found["csdr_db"] == 100 and found["stoi"] > 0.999


def test_an_inverted_song_is_told(song: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", song, 44100)
    soundfile.write(tmp_path / "b.wav", -song, 44100)
    with pytest.raises(HearsimError, match=r"b\.wav has the opposite polarity of .*a\.wav: multiply one of them by -1"):
        score(tmp_path / "a.wav", tmp_path / "b.wav")


def test_one_ear_unlike_the_other_is_told(song: np.ndarray, tmp_path: Path) -> None:
    late, opposite = song.copy(), song * [1, -1]
    late[:, 1] = shifted(song, 220)[:, 1]
    for name, samples in (("song", song), ("late", late), ("opposite", opposite)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 44100, "FLOAT")
    for name, sides in (
        ("late", "0 samples later at the left ear and 220 samples later at the right ear"),
        ("opposite", "0 samples later at the left ear and 0 samples later, inverted, at the right ear"),
    ):
        with pytest.raises(HearsimError, match=rf"{name}\.wav does not lie alike .* at both ears: it comes {sides}"):
            score(tmp_path / "song.wav", tmp_path / f"{name}.wav")


def test_a_filter_a_phase_shift_and_a_tone_are_neither_drift_nor_inversion(song: np.ndarray, tmp_path: Path) -> None:
    """A tone is late by any number of its periods, and inverted by half of one."""
    tone = np.stack([0.3 * np.sin(2 * np.pi * 1000 * np.arange(len(song)) / 44100)] * 2, axis=1)
    filtered = signal.sosfilt(signal.butter(4, 500 / 22050, output="sos"), song, axis=0)
    turned = np.imag(signal.hilbert(song, axis=0))
    for reference, processed, reason in (
        (song, filtered, r"no single delay: from piece to piece it is between 3\d and 3\d samples, without a trend"),
        (song, turned, "no delay found"),
        (tone, shifted(tone, 893), "no delay found"),
    ):
        for name, samples in (("a", reference), ("b", processed)):
            soundfile.write(tmp_path / f"{name}.wav", samples, 44100, "FLOAT")
        scored = score(tmp_path / "a.wav", tmp_path / "b.wav")
        assert scored["metrics"]["lag_samples"] is None
        assert re.match(reason, scored["unavailable"]["lag_samples"])


def test_half_a_sample_is_told(song: np.ndarray, tmp_path: Path) -> None:
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(song))[:, None] * 0.5)
    half = np.fft.irfft(np.fft.rfft(song, axis=0) * turn, len(song), axis=0)
    soundfile.write(tmp_path / "reference.wav", song, 44100, "FLOAT")
    for late, sentence in (
        (0, "comes 0.50 samples .* delay the other by 0.50"),
        (99, "comes 99.50 samples .* cut 99 off"),
    ):
        soundfile.write(tmp_path / "processed.wav", shifted(half, late), 44100, "FLOAT")
        with pytest.raises(HearsimError, match=sentence):
            score(tmp_path / "reference.wav", tmp_path / "processed.wav")


def test_drift_of_clocks_is_told_from_a_shift(tmp_path: Path) -> None:
    song = demo_song(20.0).samples.sum(axis=0).T
    soundfile.write(tmp_path / "reference.wav", song, 44100, "FLOAT")
    soundfile.write(tmp_path / "processed.wav", resampled(song, 1 - 1e-4), 44100, "FLOAT")  # 88 samples in 20 s
    with pytest.raises(HearsimError, match=r"comes 1 samples later .* at its beginning and 88 at its end: two clocks"):
        score(tmp_path / "reference.wav", tmp_path / "processed.wav")


def test_a_song_beyond_the_search_is_not_scored_without_a_word(song: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "reference.wav", song, 44100, "FLOAT")
    soundfile.write(tmp_path / "processed.wav", shifted(song, 7 * 44100), 44100, "FLOAT")
    found = score(tmp_path / "reference.wav", tmp_path / "processed.wav")
    assert found["metrics"]["lag_samples"] is None
    assert "no delay found" in found["unavailable"]["lag_samples"]


def test_a_profile_gives_levels_in_db_spl(folder: Path) -> None:
    profile = load_profile("severe-vocals-up")
    found = score(folder / "sound.wav", folder / "hum.wav", profile)
    ends = (profile.rig.microphone_full_scale_db_spl, profile.rig.headphones_full_scale_db_spl)
    assert ends[0] != ends[1]
    for levels, full_scale in zip(found["levels"].values(), ends, strict=True):
        assert levels["rms_db_spl"]["left"] == pytest.approx(levels["rms_dbfs"]["left"] + full_scale)
    hum = found["levels"]["processed"]  # a sine's peak, as the level of a sine, is its level
    assert hum["peak_db_spl"]["left"] == pytest.approx(hum["rms_db_spl"]["left"], abs=0.01)


@pytest.mark.parametrize(
    ("reference", "processed", "sentence"),
    [
        ("sound", "fast", r"sound\.wav is sampled at 16000 Hz and .*fast\.wav at 32000 Hz: resample"),
        ("sound", "short", r"sound\.wav is 48000 samples long and .*short\.wav 47999: cut both"),
        ("sound", "late", r"late\.wav comes 100 samples \(6\.25 ms\) later than .*sound\.wav: cut"),
        ("late", "sound", r"late\.wav comes 100 samples \(6\.25 ms\) later than .*sound\.wav: cut"),
        ("opposite", "opposite-late", r"opposite-late\.wav comes 300 samples \(18\.75 ms\) later"),
        ("sound", "missing", r"missing\.wav: there is no such file"),
    ],
)
def test_files_that_cannot_be_compared(folder: Path, reference: str, processed: str, sentence: str) -> None:
    with pytest.raises(HearsimError, match=sentence):
        score(folder / f"{reference}.wav", folder / f"{processed}.wav")


@pytest.mark.parametrize("pair", [("hum", "hum"), ("sound", "other"), ("sound", "mono")])
def test_what_only_looks_like_a_shift_is_scored(folder: Path, pair: tuple[str, str]) -> None:
    """A hum fits itself at every period, other sounds at some lag by chance; mono goes to both ears."""
    metrics = score(*(folder / f"{name}.wav" for name in pair))["metrics"]
    assert metrics["lag_samples"] == (None if pair[1] == "other" else 0)
    assert metrics["si_sdr_db"] < 100 or pair == ("hum", "hum")


def test_the_phase_of_a_filter_is_no_shift(folder: Path, tmp_path: Path) -> None:
    sound, rate = soundfile.read(folder / "sound.wav")
    filtered = signal.lfilter([1.0, 0, 0, 0, 0.3], [1.0], sound, axis=0)
    soundfile.write(tmp_path / "filtered.wav", filtered, rate, "FLOAT")
    found = score(folder / "sound.wav", tmp_path / "filtered.wav")["metrics"]
    assert found["lag_samples"] == pytest.approx(0, abs=0.1)
    assert found["si_sdr_db"] < 15


def test_an_echo_is_no_shift(folder: Path, tmp_path: Path) -> None:
    """The echo is the stronger copy, but by less than 3 dB."""
    sound, rate = soundfile.read(folder / "sound.wav")
    echo = 0.9 * sound + np.concatenate((np.zeros((100, 2)), sound[:-100]))
    soundfile.write(tmp_path / "echo.wav", echo, rate, "FLOAT")
    found = score(folder / "sound.wav", tmp_path / "echo.wav")
    assert found["metrics"]["lag_samples"] is None and found["metrics"]["si_sdr_db"] < 3
    assert "no single delay" in found["unavailable"]["lag_samples"]


def test_silence_leaves_reasons(folder: Path) -> None:
    found = score(folder / "silent.wav", folder / "sound.wav")
    assert found["metrics"] == dict.fromkeys(("lag_samples", "stoi", "estoi", "si_sdr_db", "csdr_db", "energy_sdr_db"))
    assert "silent" in found["unavailable"]["si_sdr_db"] and "silent" in found["unavailable"]["reference lufs"]
    assert found["levels"]["reference"]["rms_dbfs"] == {"left": -200.0, "right": -200.0}


def test_command_line(folder: Path) -> None:
    files = [str(folder / "sound.wav"), str(folder / "noisy.wav")]
    printed = CliRunner().invoke(app, ["score", *files, "--json", "--profile", "flat"])
    assert json.loads(printed.stdout) == json.loads(json.dumps(score(*files, load_profile("flat"))))
    table = CliRunner().invoke(app, ["score", *files]).stdout
    for name in ("estoi", "si_sdr_db", "energy_sdr_db", "lufs", "rms_dbfs right"):
        assert name in table
    wrong = CliRunner().invoke(app, ["score", files[0], str(folder / "silent.wav")])
    assert wrong.exit_code == 0 and "not computed" in wrong.stdout
