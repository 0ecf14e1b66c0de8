"""Scores of vocals: a remix's gain of intelligibility, SDR by octave, and voice where nobody sings."""

import numpy as np
import pytest

from hearsim.core.units import FloatArray
from hearsim.metrics.bsseval import Signals
from hearsim.metrics.intelligibility import stoi
from hearsim.metrics.vocal_scores import OCTAVES_HZ, VocalJudge, octave_sdr_db

RATE = 16000
BEGIN, END = 3 * RATE, 7 * RATE  # nobody sings before and after


def reader(samples: FloatArray) -> Signals:
    return lambda start, stop: samples[:, start:stop]


@pytest.fixture(scope="module")
def vocals() -> FloatArray:
    """Noise in syllables (2, 10 s), which STOI takes for speech."""
    rng, time = np.random.default_rng(0), np.arange(10 * RATE) / RATE
    noise = rng.standard_normal((2, time.size)) * (0.05 + np.square(np.sin(2 * np.pi * 2 * time)))
    noise[:, :BEGIN] = noise[:, END:] = 0
    return (0.1 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def mixture(vocals: FloatArray) -> FloatArray:
    band = 0.1 * np.random.default_rng(1).standard_normal(vocals.shape)
    return vocals + band.astype(np.float32)


@pytest.fixture(scope="module")
def judge(mixture: FloatArray, vocals: FloatArray) -> VocalJudge:
    return VocalJudge(reader(mixture), reader(vocals), vocals.shape[-1], RATE)


def test_true_vocals_have_the_whole_gain_and_silence_none(judge: VocalJudge, vocals: FloatArray) -> None:
    true, none = judge.score("true", reader(vocals)), judge.score("none", reader(np.zeros_like(vocals)))
    assert true.share == 1.0 and true.estoi_gain is not None and true.estoi_gain > 0.1
    assert none.share == 0.0 and none.estoi_gain == 0.0
    assert true.octave_sdr_db[0] == 100.0 and none.octave_sdr_db[0] == 0.0
    assert true.false_vocals_db == none.false_vocals_db == -100.0


def test_the_gain_is_that_of_the_remix(judge: VocalJudge, mixture: FloatArray, vocals: FloatArray) -> None:
    estimate = 0.5 * vocals + 0.2 * mixture
    remix = mixture + (10 ** (12 / 20) - 1) * estimate
    gain = stoi(vocals.mean(0), remix.mean(0), RATE, extended=True) - stoi(
        vocals.mean(0), mixture.mean(0), RATE, extended=True
    )
    assert judge.score("half", reader(estimate)).estoi_gain == pytest.approx(gain, abs=1e-3)


def test_the_excerpt_is_where_most_is_sung(vocals: FloatArray) -> None:
    """40 s, of which 30 are scored: an estimate of the other ten seconds counts for nothing."""
    long = np.concatenate((0.1 * vocals, vocals, vocals, vocals), axis=1)
    mixed = long + 0.05 * np.random.default_rng(2).standard_normal(long.shape).astype(np.float32)
    estimate = long.copy()
    estimate[:, : vocals.shape[-1]] = 0
    assert VocalJudge(reader(mixed), reader(long), long.shape[-1], RATE).score("x", reader(estimate)).share == 1.0


def test_false_vocals_are_energy_where_nobody_sings(judge: VocalJudge, mixture: FloatArray) -> None:
    estimate = mixture.copy()
    estimate[:, :BEGIN] *= 0.1
    estimate[:, END:] *= 0.1
    assert judge.score("a tenth", reader(estimate)).false_vocals_db == pytest.approx(-20.0, abs=0.01)


def test_without_a_singer_there_are_false_vocals_alone(mixture: FloatArray) -> None:
    silent = VocalJudge(reader(mixture), reader(np.zeros_like(mixture)), mixture.shape[-1], RATE)
    score = silent.score("all", reader(mixture))
    assert (score.share, score.estoi_gain, score.octave_sdr_db) == (None, None, (None,) * len(OCTAVES_HZ))
    assert score.false_vocals_db == pytest.approx(0.0, abs=1e-6)


def test_octaves_are_separate() -> None:
    time = np.arange(RATE) / RATE
    tones = [np.sin(2 * np.pi * hz * time)[None] for hz in (300.0, 1500.0)]
    ratios = octave_sdr_db(tones[0] + tones[1], 0.5 * tones[0] + 0.9 * tones[1], RATE)
    assert ratios[1] == pytest.approx(20 * np.log10(2)) and ratios[3] == pytest.approx(20.0)
    assert ratios[0] is None and ratios[6] is None  # nothing there, as above half the rate
