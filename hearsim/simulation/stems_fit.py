"""Whether true stems are those of a song: how well they sum to it, at any gains."""

import math
import warnings

import numpy as np

from hearsim.core.errors import HearsimWarning
from hearsim.core.units import FloatArray

LEAST_FIT = 0.7  # of ours: a remix at other gains, mastered or coded, stays over 0.9; stems of another song under 0.3


class StemsFit:
    """Correlation of a song with the weighted sum of its stems that comes closest to it (least squares).

    Any weights are allowed, so stems of a remix fit; memory is that of one block.

    Examples
    --------
    >>> stems = np.random.default_rng(0).standard_normal((4, 2, 1000)).astype(np.float32)
    >>> fit = StemsFit(4)
    >>> fit.add(stems, 2.0 * stems[0] + stems[1] - stems[2])
    >>> round(fit.value(), 6)
    1.0
    """

    def __init__(self, stems: int) -> None:
        self._products = np.zeros((stems + 1, stems + 1))  # of stems and song with each other

    def add(self, stems: FloatArray, song: FloatArray) -> None:
        """Take the next block of the stems (stems, channels, frames) and of the song (channels, frames)."""
        rows = np.concatenate((stems, song[None])).reshape(len(stems) + 1, -1).astype(np.float64)
        self._products += rows @ rows.T

    def value(self) -> float:
        """Return the correlation, 0 to 1; 1 for a silent song."""
        own, cross, power = self._products[:-1, :-1], self._products[:-1, -1], self._products[-1, -1]
        if power <= 0.0:
            return 1.0
        weights = np.linalg.lstsq(own, cross, rcond=None)[0]
        return math.sqrt(min(1.0, max(0.0, float(cross @ weights) / power)))

    def warn(self, stems: str, song: str) -> None:
        """Warn of stems whose sum is not the song (`LEAST_FIT`), in a sentence that names both."""
        if (fit := self.value()) < LEAST_FIT:
            warnings.warn(
                f"{stems} may be of another song, or shifted: their sum correlates with {song} by {fit:.2f} at most, "
                "at any gains; measures against them mean nothing then",
                HearsimWarning,
                stacklevel=3,
            )
