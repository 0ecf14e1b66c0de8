"""How late live sound is, and why: the ledger of a session.

    device period - waiting for an engine block - the worker's turn - the path's own latency

The engine cuts blocks of its own behind any period of the device. A short block, and a turn that makes one hop of the
network with it, let a fader move begin within a hop: waits for a block, then a turn, then is heard.
"""

import math

from hearsim.errors import HearsimError
from hearsim.latency import Budget, Row
from hearsim.live.outlet import FADE, LARGEST_PERIOD
from hearsim.live.path import LivePath

BLOCK = 128
"""Samples that the worker processes at a time."""

TURN = 384
"""Samples (8.7 ms) from a block's coming in to its having to be there, a reserve of `FADE` included."""


def waiting(period: int) -> int:
    """Return the samples that a sample waits at most until its block is full, beyond its own period.

    The same count as `Reblock`'s: block - gcd(block, period).
    """
    return BLOCK - math.gcd(BLOCK, period)


def turn(period: int, wanted: int = TURN) -> int:
    """Return the worker's turn in samples: what is wanted, but never less than one period and the reserve."""
    return max(wanted, period + FADE)


def check_period(period: int) -> None:
    """Raise `HearsimError` for a period that the engine has no room for."""
    if not 1 <= period <= LARGEST_PERIOD:
        raise HearsimError(f"the device hands over {period} samples at a time: set its period to 16 .. 1024")


def budget(path: LivePath, rate: int, period: int, device: int, wanted: int = TURN) -> Budget:
    """Return the ledger of a session.

    `path` is prepared for blocks of `BLOCK`; `device` is the delay in samples from the output back to the input as it
    was measured or reported. Kind and source of each row are named; compute time is no row, the turn is its deadline.
    """
    rows = (
        Row("device, out and in", device, "device", "device-reported"),
        Row(f"waiting for a block of {BLOCK}", waiting(period), "buffering", "declared"),
        Row("the worker's turn", turn(period, wanted), "buffering", "declared"),
        *(Row(part.name, part.samples, part.kind, "declared") for part in path.parts()),
    )
    return Budget(rate, rows)
