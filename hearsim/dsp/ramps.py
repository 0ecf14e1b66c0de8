"""Parameters that move to new values in linear ramps, each from a stated sample.

The values depend on the samples' positions alone, not on the blocks of a stream: so a move played live can be rendered
again, bit for bit.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from hearsim.core.units import Curve


class Move(NamedTuple):
    """A ramp from sample `at` on, which reaches `targets` after `ramp` samples."""

    at: int
    targets: Curve
    ramp: int


class Ramp:
    """A vector of parameters with one value per sample. Used by one thread."""

    def __init__(self, values: Curve, position: int = 0) -> None:
        self.set_now(values, position)

    def set_now(self, values: Curve, position: int) -> None:
        """Set values at once and cancel pending moves; the next sample is that at `position`."""
        self.position = position
        self._begin = self._end = np.array(values, np.float64)
        self._at, self._ramp = position, 1
        self._waiting: deque[Move] = deque()

    def move(self, targets: Curve, at: int | None, ramp: int) -> int:
        """Begin a ramp of `ramp` samples at sample `at` (None, or passed: at the next); return where it begins.

        A move starts from the present value of an unfinished one. Raises `ValueError` where `at` lies before a pending
        move: moves must be in order.
        """
        begins = self.position if at is None else max(at, self.position)
        if self._waiting and begins < self._waiting[-1].at:
            raise ValueError(f"a move at sample {begins} comes after one at {self._waiting[-1].at}: give them in order")
        self._waiting.append(Move(begins, np.array(targets, np.float64), max(ramp, 1)))
        return begins

    @property
    def target(self) -> Curve:
        """The values at the end of the ramp of the next sample, or its values outside a ramp."""
        return self._end

    @property
    def is_settled(self) -> bool:
        """Whether the next sample has the values of `target` and no move is pending."""
        return not self._waiting and self.position >= self._settled

    @property
    def _settled(self) -> int:
        """The first sample that has the ramp's last value."""
        return self._at + self._ramp - 1

    def _values(self, first: int, stop: int) -> Curve:
        """Return (k, stop - first) values inside the ramp."""
        share = np.arange(first - self._at + 1, stop - self._at + 1) / self._ramp
        values: Curve = self._begin[:, None] + (self._end - self._begin)[:, None] * share
        return values

    def segments(self, frames: int) -> list[tuple[slice, Curve]]:
        """Return segments of the next `frames` samples: slice, and (k,) constant or (k, n) moving values."""
        start, stop, parts = self.position, self.position + frames, []
        here = start
        while here < stop:
            while self._waiting and self._waiting[0].at <= here:
                self._take(self._waiting.popleft(), here)
            edge = min(stop, self._waiting[0].at) if self._waiting else stop
            if here < self._settled:
                edge = min(edge, self._settled)
                parts.append((slice(here - start, edge - start), self._values(here, edge)))
            else:
                parts.append((slice(here - start, edge - start), self._end))
            here = edge
        self.position = stop
        return parts

    def _take(self, move: Move, here: int) -> None:
        before = here - 1
        inside = self._at <= before < self._settled
        self._begin = self._values(before, here)[:, 0] if inside else (self._begin if before < self._at else self._end)
        self._end, self._at, self._ramp = move.targets, here, move.ramp
