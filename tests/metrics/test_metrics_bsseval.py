"""BSSEval v4 against museval, frame by frame, and its rules for silence, ends and medians."""

import warnings

import numpy as np
import pytest
from scipy import signal

from hearsim.core.errors import HearsimError
from hearsim.metrics.bsseval import BssEval, BssScores

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies import pkg_resources
    museval = pytest.importorskip("museval", exc_type=Exception, reason="museval is the oracle here: it needs ffmpeg")

RATE = 4000
Pair = tuple[np.ndarray, np.ndarray]


def scenario(stems: int, channels: int, frames: int, seed: int = 0) -> Pair:
    """Coloured stems that come and go, and estimates that leak, filter and crackle differently in each frame."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((stems, channels, frames))
    for index in range(stems):
        truth[index] = signal.lfilter([1.0], [1.0, -0.9 + 0.4 * index], truth[index])
        truth[index] *= 0.2 + np.abs(np.sin(np.arange(frames) * (index + 1) * 3e-4))
    truth[0, -1] += truth[0, 0]  # channels that have something in common
    leaks = 0.3 * rng.random((stems, 1, 1)) * truth.sum(0)
    echo = np.pad(truth, ((0, 0), (0, 0), (300, 0)))[..., :frames]
    noise = 0.1 * rng.standard_normal(truth.shape) * np.linspace(0, 1, frames)
    return truth.astype(np.float32), (0.7 * truth + 0.2 * echo + leaks + noise).astype(np.float32)


def ours(truth: np.ndarray, estimates: np.ndarray, taps: int = 512) -> BssScores:
    judge = BssEval(lambda a, b: truth[..., a:b], truth.shape, RATE, taps)
    return judge.score(lambda a, b: estimates[..., a:b])


def theirs(truth: np.ndarray, estimates: np.ndarray, taps: int = 512) -> BssScores:
    found = museval.metrics.bss_eval(
        truth.transpose(0, 2, 1), estimates.transpose(0, 2, 1), window=RATE, hop=RATE, filters_len=taps
    )
    return BssScores(*found[:4])


def assert_close(found: BssScores, expected: BssScores, atol_db: float = 0.01) -> None:
    for name, a, b in zip(BssScores._fields, found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol_db, err_msg=name)


@pytest.mark.parametrize(
    ("stems", "channels", "frames", "taps"),
    [
        (2, 2, 3 * RATE + 1234, 512),  # three frames, and a rest that does not count
        (4, 2, 2 * RATE, 64),
        (3, 1, RATE // 2, 64),  # shorter than a frame
        (1, 2, 2 * RATE + 1, 32),
    ],
)
def test_equals_museval_in_every_frame(stems: int, channels: int, frames: int, taps: int) -> None:
    pair = scenario(stems, channels, frames)
    found, expected = ours(*pair, taps), theirs(*pair, taps)
    assert np.ptp(expected.sdr_db) > 0.1 and np.isfinite(expected.sdr_db).all()
    if stems == 1:  # no other stem: the interference is rounding noise in both
        found, expected = (s._replace(sir_db=np.minimum(s.sir_db, 150)) for s in (found, expected))
    assert_close(found, expected)


def test_silent_frames_count_for_no_stem() -> None:
    truth, estimates = scenario(3, 2, 5 * RATE)
    truth[1, :, RATE : 2 * RATE] = 0  # a stem pauses
    estimates[2, :, 3 * RATE : 4 * RATE] = 0  # an estimate pauses
    truth[0, 1, 4 * RATE :] = -truth[0, 0, 4 * RATE :]  # opposite channels are silence too, to museval
    found = ours(truth, estimates, 64)
    assert_close(found, theirs(truth, estimates, 64))
    for table in found:
        np.testing.assert_array_equal(np.isnan(table), [[False, True, False, True, True]] * 3)
    np.testing.assert_allclose(found.medians().sdr_db, np.median(found.sdr_db[:, [0, 2]], axis=1))


@pytest.mark.parametrize("kind", ["mono", "one channel", "low-passed"])
def test_dependent_and_empty_references(kind: str) -> None:
    """Real stems are often mono, on one side, or without treble: the normal equations are singular, the ratios fine."""
    truth, estimates = scenario(3, 2, 2 * RATE)
    if kind == "mono":
        truth[1, 1] = truth[1, 0]
    elif kind == "one channel":
        truth[1, 1] = 0
    else:
        low = signal.sosfilt(signal.butter(12, 0.6, output="sos"), truth)
        truth = (np.round(low / np.abs(low).max() * 32767) / 32768).astype(np.float32)
    assert_close(ours(truth, estimates, 64), theirs(truth, estimates, 64))


def test_a_perfect_estimate_is_infinite_and_left_out_of_the_median() -> None:
    truth, estimates = scenario(2, 2, 3 * RATE)
    estimates[:, :, :RATE] = truth[:, :, :RATE]
    found = ours(truth, estimates, 64)
    assert np.isposinf(found.sdr_db[:, 0]).all()
    np.testing.assert_allclose(found.medians().sdr_db, found.sdr_db[:, 1:].mean(axis=1))


def test_median_of_nothing_is_nan() -> None:
    truth, estimates = scenario(2, 1, 2 * RATE)
    estimates[1] = 0
    medians = ours(truth, estimates, 64).medians()
    assert all(np.isnan(values).all() for values in medians)


def test_a_stem_that_never_plays_is_refused_as_by_museval() -> None:
    truth, estimates = scenario(3, 2, RATE)
    truth[1] = 0
    with pytest.raises(HearsimError, match="true stem 1 is silent"):
        ours(truth, estimates, 64)
    with pytest.raises(ValueError, match="non-silent"):
        theirs(truth, estimates, 64)


def test_reads_no_more_than_a_frame_at_once() -> None:
    """Ten-minute songs come from the disk: what is asked for bounds the memory."""
    truth, estimates = scenario(2, 2, 6 * RATE + 100)
    asked: list[int] = []

    def read(signals: np.ndarray, start: int, stop: int) -> np.ndarray:
        asked.append(stop - start)
        return signals[..., start:stop]

    BssEval(lambda a, b: read(truth, a, b), truth.shape, RATE, 64).score(lambda a, b: read(estimates, a, b))
    assert max(asked) == RATE


def test_a_stem_has_the_median_of_its_frames() -> None:
    """Of frames that are numbers, as museval's aggregate is; one that fails wholly moves a mean by 30 dB."""
    frames = np.array([[5.0, 6.0, 7.0, np.nan, -100.0], [np.nan, np.nan, np.nan, np.nan, np.nan]])
    medians = BssScores(frames, frames, frames, frames).medians()
    assert medians.sdr_db[0] == 5.5 and medians.sar_db[0] == 5.5
    assert np.isnan(medians.sdr_db[1])
