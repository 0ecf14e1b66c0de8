"""What is no sound is kept out: one such number would live on in every filter behind it."""

import numpy as np
import numpy.typing as npt

from hearsim.core.units import FloatArray

LOUDEST_PA = 101325.0
"""One atmosphere (ISO 2533), 194 dB SPL: the trough of a louder sound would be emptier than a vacuum."""

LOUDEST_FS = 1e6
"""120 dB over full scale: no file or device means that."""


def only_sound(block: FloatArray, loudest: float, lost: npt.NDArray[np.int64] | None = None) -> FloatArray:
    """Return a block as it is; or, if it holds NaN, Inf or magnitudes over `loudest`, a copy with silence there.

    Adds the number of such samples per channel to `lost` (channels,).

    >>> only_sound(np.array([[1.0, np.nan, -np.inf, 3e38]], np.float32), LOUDEST_PA).tolist()
    [[1.0, 0.0, 0.0, 0.0]]
    """
    if np.abs(block).max() <= loudest:  # not so if there is a NaN
        return block
    is_sound = np.abs(block) <= loudest
    if lost is not None:
        lost += np.count_nonzero(~is_sound.reshape(-1, *is_sound.shape[-2:]), axis=(0, 2))
    return np.where(is_sound, block, np.float32(0.0))
