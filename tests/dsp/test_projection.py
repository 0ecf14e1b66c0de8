"""Least squares on delayed signals by brute force."""

import numpy as np
import pytest

from hearsim.dsp.projection import Correlations, Filters, block_toeplitz

TAPS = 40


def delayed(x: np.ndarray) -> np.ndarray:
    """Columns (inputs * taps) of delayed inputs over frames + taps - 1 rows."""
    return np.stack([np.pad(row, (t, TAPS - 1 - t)) for row in x for t in range(TAPS)], axis=1)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 20000))
    y = rng.standard_normal((2, 20000)) + np.pad(x[:2], ((0, 0), (7, 0)))[:, :20000]
    return x, y


def correlate(x: np.ndarray, y: np.ndarray, block: int = 10**6) -> np.ndarray:
    sums = Correlations(len(x), len(y), TAPS)
    for start in range(0, x.shape[1], block):
        sums.add(x[:, start : start + block], y[:, start : start + block])
    return sums.result()


@pytest.mark.parametrize("block", [7, 1000, 8153, 10**6])
def test_correlations_of_a_stream(pair: tuple[np.ndarray, np.ndarray], block: int) -> None:
    x, y = (part[:, :2000] for part in pair) if block == 7 else pair
    frames = x.shape[1]
    expected = np.array([[[a[: frames - t] @ b[t:] for t in range(TAPS)] for b in y] for a in x])
    np.testing.assert_allclose(correlate(x, y, block), expected, atol=1e-8)


def test_matrix_and_filters_are_those_of_least_squares(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    matrix = delayed(x)
    own = correlate(x, x)
    np.testing.assert_allclose(block_toeplitz(own), matrix.T @ matrix, atol=1e-8)
    padded = np.pad(y, ((0, 0), (0, TAPS - 1)))
    expected = np.linalg.lstsq(matrix, padded.T, rcond=None)[0].reshape(3, TAPS, 2).transpose(0, 2, 1)
    np.testing.assert_allclose(Filters(own).solve(correlate(x, y)), expected, atol=1e-10)


def test_equal_inputs_share_what_one_would_do(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """The matrix is exactly singular: a pivot is zero."""
    x, y = pair
    twice = np.concatenate((x[:1], x[:1]))
    found = Filters(np.ones((2, 2, 1)) * correlate(x[:1], x[:1])).solve(correlate(twice, y))
    alone = Filters(correlate(x[:1], x[:1])).solve(correlate(x[:1], y))
    np.testing.assert_allclose(found.sum(axis=0), alone[0], atol=1e-6)
