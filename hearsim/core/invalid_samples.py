"""Invalid samples (NaN, Inf, over 194 dB SPL) become silence: one would stay in every filter's state."""

import numpy as np
import numpy.typing as npt

from hearsim.core.units import FloatArray

MAX_PRESSURE_PA = 101325.0
"""One atmosphere (ISO 2533), 194 dB SPL: the trough of a louder sound would be under a vacuum."""

MAX_FULL_SCALE = 1e6
"""120 dB over full scale, more than any intended sample."""


def zero_invalid(block: FloatArray, maximum: float, counts: npt.NDArray[np.int64] | None = None) -> FloatArray:
    """Return a block unchanged; or, if it has NaN, Inf or magnitudes over `maximum`, a copy with zeros there.

    Adds the number of such samples per channel to `counts` (channels,).

    >>> zero_invalid(np.array([[1.0, np.nan, -np.inf, 3e38]], np.float32), MAX_PRESSURE_PA).tolist()
    [[1.0, 0.0, 0.0, 0.0]]
    """
    if np.abs(block).max() <= maximum:  # false for NaN
        return block
    is_valid = np.abs(block) <= maximum
    if counts is not None:
        counts += np.count_nonzero(~is_valid.reshape(-1, *is_valid.shape[-2:]), axis=(0, 2))
    return np.where(is_valid, block, np.float32(0.0))
