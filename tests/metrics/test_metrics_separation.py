"""SDR and its relatives by brute force, and the ideal ratio mask by scipy's ShortTimeFFT."""

import numpy as np
import pytest
from scipy.signal import ShortTimeFFT

from hearsim.core.errors import HearsimError
from hearsim.metrics.separation import SdrMeter, ideal_ratio_mask, ideal_ratio_mask_pieces

RATE = 8000


def meter(reference: np.ndarray, estimate: np.ndarray, block: int = 10**6) -> SdrMeter:
    found = SdrMeter(RATE)
    for start in range(0, reference.shape[-1], block):
        found.add(reference[..., start : start + block], estimate[..., start : start + block])
    return found


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Five and a half seconds; the noise grows, so that frames differ; the estimate is 30 % too soft."""
    rng = np.random.default_rng(0)
    s, n = rng.standard_normal((2, 2, 44000))
    n *= np.linspace(0.05, 2, n.shape[1])
    return s.astype(np.float32), (0.7 * s + n).astype(np.float32)


def test_si_sdr_by_trying_scales(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Le Roux et al. 2019: the reference scaled to fit best, found here by trying scales."""
    s, e = (x.astype(np.float64) for x in pair)
    residual, scale = min((np.sum((a * s - e) ** 2), a) for a in np.linspace(0.5, 0.9, 401))
    expected = 10 * np.log10(np.sum((scale * s) ** 2) / residual)
    assert meter(*pair).si_sdr_db() == pytest.approx(expected, abs=1e-2)
    assert meter(pair[0], 3 * pair[1]).si_sdr_db() == pytest.approx(meter(*pair).si_sdr_db(), abs=1e-5)
    assert meter(pair[0], 3 * pair[1]).csdr_db() < meter(*pair).csdr_db() - 3


def test_silence_is_no_perfect_estimate(pair: tuple[np.ndarray, np.ndarray]) -> None:
    silent = meter(pair[0], np.zeros_like(pair[0]))
    assert (silent.si_sdr_db(), silent.csdr_db(), silent.sdr_db()) == (-100.0, 0.0, 0.0)
    assert meter(pair[0], pair[0]).si_sdr_db() == 100.0


def test_csdr_and_frames_by_brute_force(pair: tuple[np.ndarray, np.ndarray]) -> None:
    s, e = (x.astype(np.float64) for x in pair)
    assert meter(*pair).csdr_db() == pytest.approx(10 * np.log10((s**2).sum() / ((s - e) ** 2).sum()), abs=1e-6)
    frames = [slice(i * RATE, (i + 1) * RATE) for i in range(5)]
    each = [10 * np.log10((s[:, f] ** 2).sum() / ((s - e)[:, f] ** 2).sum()) for f in frames]
    assert np.ptp(each) > 5
    assert meter(*pair).sdr_db() == pytest.approx(sorted(each)[2], abs=1e-6)


@pytest.mark.parametrize("block", [1, 64, 441, 4096])
def test_block_size_makes_no_difference(pair: tuple[np.ndarray, np.ndarray], block: int) -> None:
    whole, streamed = meter(*pair), meter(*pair, block)
    for name in ("si_sdr_db", "csdr_db", "sdr_db"):
        assert getattr(streamed, name)() == pytest.approx(getattr(whole, name)(), abs=1e-9)


def test_what_cannot_be_computed_is_said(pair: tuple[np.ndarray, np.ndarray]) -> None:
    s, e = pair
    broken = e.copy()
    broken[0, 3] = np.nan
    for name in ("si_sdr_db", "csdr_db", "sdr_db"):
        with pytest.raises(HearsimError, match="NaN"):
            getattr(meter(s, broken), name)()
        with pytest.raises(HearsimError, match="silent"):
            getattr(meter(np.zeros_like(s), e), name)()
    late = s.copy()
    late[:, : 5 * RATE] = 0.0
    with pytest.raises(HearsimError, match="no whole second"):
        meter(late, e).sdr_db()


@pytest.mark.parametrize(("window", "hop"), [(1024, 512), (1024, 256), (600, 100)])
@pytest.mark.parametrize("frames", [700, 5000])
def test_ideal_ratio_mask_by_scipy(window: int, hop: int, frames: int) -> None:
    rng = np.random.default_rng(1)
    stems = rng.standard_normal((3, 2, frames)) * np.array([1.0, 0.3, 0.0])[:, None, None]
    stft = ShortTimeFFT(np.sin(np.pi * np.arange(window) / window), hop, RATE)
    bins = stft.stft(stems)
    expected = stft.istft(np.abs(bins) / np.abs(bins).sum(0) * bins.sum(0), k1=frames)
    found = ideal_ratio_mask(stems.astype(np.float32), window, hop)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("window", "hop"), [(1024, 512), (600, 100)])
@pytest.mark.parametrize("hops", [1, 3, 1000])
def test_ideal_ratio_mask_in_pieces(window: int, hop: int, hops: int) -> None:
    stems = np.random.default_rng(2).standard_normal((3, 2, 5001)).astype(np.float32)
    asked: list[int] = []

    def read(start: int, stop: int) -> np.ndarray:
        asked.append(stop - start)
        return stems[..., start:stop]

    pieces = list(ideal_ratio_mask_pieces(read, 5001, window, hop, hops))
    np.testing.assert_allclose(np.concatenate(pieces, axis=-1), ideal_ratio_mask(stems, window, hop), atol=1e-6)
    assert max(asked) <= hops * hop + 2 * window


@pytest.mark.parametrize(("window", "hop"), [(512, 512), (1024, 300)])
def test_ideal_ratio_mask_refuses_windows_that_do_not_add_up(window: int, hop: int) -> None:
    with pytest.raises(HearsimError, match="can't be rebuilt"):
        ideal_ratio_mask(np.zeros((2, 1, 100), np.float32), window, hop)


def test_a_second_in_which_the_stem_rests_does_not_count() -> None:
    """Three seconds at 20 dB, and four in which the stem is 60 dB down and the estimate wrong."""
    rng = np.random.default_rng(3)
    s, n = rng.standard_normal((2, 2, 7 * RATE))
    s[:, 3 * RATE :] *= 1e-3
    assert meter(s, s + 0.1 * n).sdr_db() == pytest.approx(20.0, abs=0.2)
