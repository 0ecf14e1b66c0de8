"""Least squares of long signals on delayed versions of others: correlations at short lags, and the filters from them.

An output y_o is matched by sum_i sum_t h[i, o, t] x_i[n - t], t = 0 .. taps - 1. The normal equations need only the
correlations at those lags, and their matrix is Toeplitz in each pair of inputs.
"""

import numpy as np
from scipy import fft, linalg

from hearsim.core.units import Curve, FloatArray

_LEAST_FFT = 8192
_RIDGE = 1e-12  # of the mean power, where the inputs are exactly dependent (a stem with equal channels)
_DEPENDENT = 1e-14  # of the mean power: a pivot under it is rounding noise, which differs between processors


class Correlations:
    """Sums r[i, o, t] = sum_n x_i[n - t] y_o[n], t = 0 .. taps - 1, over streams of any length, block by block.

    Before its first block a stream is silent. Double precision; memory is that of one block.
    """

    def __init__(self, inputs: int, outputs: int, taps: int) -> None:
        self._taps = taps
        self._size = max(_LEAST_FFT, fft.next_fast_len(8 * taps, real=True))
        self._before = np.zeros((inputs, taps - 1))
        self._sum = np.zeros((self._size // 2 + 1, inputs, outputs), np.complex128)

    def add(self, x: FloatArray | Curve, y: FloatArray | Curve) -> None:
        """Take the next block of the inputs (inputs, frames) and of the outputs (outputs, frames)."""
        late, step = self._taps - 1, self._size - self._taps + 1
        line = np.concatenate((self._before, x), axis=1)
        pieces = -(-x.shape[1] // step)
        past = np.zeros((len(x), pieces, self._size))  # each piece with the `late` samples before it
        now = np.zeros((len(y), pieces, self._size))  # each piece, then silence, against circular wrap
        for index in range(pieces):
            start, end = index * step, min((index + 1) * step, x.shape[1])
            past[:, index, : late + end - start] = line[:, start : late + end]
            now[:, index, : end - start] = y[:, start:end]
        a = np.ascontiguousarray(fft.rfft(past).transpose(2, 0, 1))  # (bins, inputs, pieces)
        b = np.ascontiguousarray(fft.rfft(now).transpose(2, 1, 0))  # (bins, pieces, outputs)
        self._sum += a @ b.conj()
        self._before[...] = line[:, line.shape[1] - late :]

    def result(self) -> Curve:
        """Return the correlations (inputs, outputs, taps) over all blocks."""
        lags: Curve = fft.irfft(self._sum, n=self._size, axis=0)[self._taps - 1 :: -1]
        return np.ascontiguousarray(lags.transpose(1, 2, 0))


def block_toeplitz(auto: Curve) -> Curve:
    """Return the matrix (inputs * taps, inputs * taps) of the normal equations.

    `auto` (inputs, inputs, taps) are the `Correlations` of the inputs with themselves. Row (j, s), column (i, t) is
    sum_n x_i[n - t] x_j[n - s].
    """
    inputs, _, taps = auto.shape
    matrix = np.empty((inputs, taps, inputs, taps))
    for j in range(inputs):
        for i in range(inputs):
            matrix[j, :, i, :] = linalg.toeplitz(auto[j, i], auto[i, j])
    return matrix.reshape(inputs * taps, inputs * taps)


class Filters:
    """The least-squares filters of one set of inputs, for any number of outputs: with one factorisation.

    As in museval 0.4 the matrix gets 2.2e-16 on its diagonal and is solved by LU, which stays accurate on music
    without treble, where it is nearly singular.
    """

    def __init__(self, auto: Curve) -> None:
        self._shape = auto.shape[0], auto.shape[2]
        for ridge in (0.0, _RIDGE):
            matrix = block_toeplitz(auto)
            diagonal = np.einsum("ii->i", matrix)  # a view
            power = diagonal.mean()
            diagonal += np.finfo(float).eps + ridge * power
            factors, pivots, _ = linalg.lapack.dgetrf(matrix.T, overwrite_a=True)  # .T: symmetric, spares a copy
            if np.abs(np.einsum("ii->i", factors)).min() > _DEPENDENT * power:
                break
        self._factors = factors, pivots

    def solve(self, cross: Curve) -> Curve:
        """Return the filters (inputs, outputs, taps) from the inputs' correlations with the outputs, same shape."""
        inputs, taps = self._shape
        right = cross.transpose(0, 2, 1).reshape(inputs * taps, -1)
        filters: Curve = linalg.lu_solve(self._factors, right, check_finite=False)
        return filters.reshape(inputs, taps, -1).transpose(0, 2, 1)
