"""Speech made into song: its pitch lies on a scale, its vowels are held, its band is that of music."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import signal

pyworld = pytest.importorskip("pyworld", reason="the package pyworld is missing, which makes song of speech")

RATE = 22050


def load_script() -> ModuleType:
    path = Path(__file__).parents[2] / "experiments" / "sung-speech" / "make.py"
    spec = importlib.util.spec_from_file_location("sung_speech", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make = load_script()


def vowel(seconds: float, pitch_hz: float) -> np.ndarray:
    """A pulse train through the resonances of an open vowel."""
    frames = round(seconds * RATE)
    sound = (np.diff(np.floor(np.arange(frames + 1) * pitch_hz / RATE)) > 0).astype(float)
    for formant in (700, 1200, 2600, 3600):
        radius = np.exp(-np.pi * 90 / RATE)
        sound = signal.lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound)
    return sound / np.abs(sound).max() * np.hanning(frames) ** 0.3


def speech() -> np.ndarray:
    """Three vowels of falling pitch with hiss between them."""
    rng = np.random.default_rng(5)
    parts = [part for hz in (150, 138, 127) for part in (0.05 * rng.normal(size=RATE // 10), vowel(0.2, hz))]
    return np.concatenate(parts)


def singer(spoken: bool = False) -> "make.Singer":
    rng = np.random.default_rng(2)
    return make.Singer(rng, 1.0, spoken, 12 * np.log2(150), (0, 4, 7), 12 * np.log2(131), 0.6, (5.5, 20.0))


def test_pitch_lies_on_the_scale_and_vowels_are_held() -> None:
    (sung,) = make.sing(speech(), make.KNOWN_HZ, singer())
    assert len(sung) / make.RATE > 1.2 * len(speech()) / RATE
    pitch, _ = pyworld.harvest(sung, make.RATE, f0_floor=70.0, f0_ceil=400.0)
    pitch = pitch[pitch > 0]
    assert len(pitch) * 0.005 > 1.0  # seconds voiced; 0.6 of the speech
    semitones = (12 * np.log2(pitch / 131)) % 12
    away = np.abs(semitones[:, None] - np.array([0, 4, 7, 12])).min(axis=1)
    assert np.mean(away < 0.5) > 0.75  # by chance a third


def test_a_double_a_third_above_is_as_long() -> None:
    lead, harmony = make.sing(speech(), make.KNOWN_HZ, singer(), (2,))
    assert len(lead) == len(harmony)
    (low, high) = (np.median(f0[f0 > 0]) for f0 in (pyworld.harvest(each, make.RATE)[0] for each in (lead, harmony)))
    assert 12 * np.log2(high / low) > 4


def test_spoken_takes_keep_their_length_and_the_band_goes_on() -> None:
    (spoken,) = make.sing(speech(), make.KNOWN_HZ, singer(spoken=True))
    assert len(spoken) / make.RATE == pytest.approx(len(speech()) / RATE, abs=0.02)
    frequencies, power = signal.welch(spoken, make.RATE)
    bands = [10 * np.log10(power[(frequencies > low) & (frequencies < low + 2000)].mean()) for low in (6000, 11500)]
    assert -25 < bands[1] - bands[0] < -5  # 5.5 kHz at -2 dB per kHz, and what the vowel adds below


def test_a_plan_has_each_file_once_and_the_voices_by_turns(tmp_path: Path) -> None:
    for voice in ("anna", "bert"):
        (tmp_path / voice).mkdir()
        for number in range(8):
            make.soundfile.write(tmp_path / voice / f"{number}.wav", np.zeros(2 * RATE), RATE)
    takes = list(make.plan(tmp_path, 10.0, 5.0))
    assert [name for name, _ in takes] == ["w_anna_00", "w_bert_00", "w_anna_01", "w_bert_01"]
    files = [file for _, group in takes for file in group]
    assert len(files) == len(set(files)) == 12  # a rest of 4 s is left
