"""How late live sound is, and why: the ledger of a session.

    device period - waiting for an engine block - the worker's turn - the path's own latency

The engine cuts blocks of its own behind any period of the device. A short block, and a turn that makes one hop of the
network with it, let a fader move begin within a hop: waits for a block, then a turn, then is heard.
"""

import math

from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.latency import LatencyEntry, LatencyLedger, Load, Origin, load_of
from hearsim.live.control import Control, PlaybackStatus
from hearsim.live.output_stage import FADE, LARGEST_PERIOD

BLOCK = 128
"""Samples that the worker processes at a time."""

TURN = 320
"""Samples (7.3 ms) that the worker is given at least from a block's coming in to its having to be there."""


def waiting(period: int) -> int:
    """Return the samples that a sample waits at most until its block is full, beyond its own period.

    The same count as `Reblock`'s: block - gcd(block, period). Where the count of a call varies it is that of period 1.
    """
    return BLOCK - math.gcd(BLOCK, period)


def turn(period: int) -> int:
    """Return the worker's turn in samples: `TURN` in whole periods, and the reserve for a crossfade."""
    return -(-TURN // period) * period + FADE


def check_period(period: int) -> None:
    """Raise `HearsimError` for a period that the engine has no room for."""
    if not 1 <= period <= LARGEST_PERIOD:
        raise HearsimError(f"the device hands over {period} samples at a time: set its period to 16 .. 1024")


def session_ledger(
    playing: PlaybackStatus, path: list[LatencyEntry], rate: int, device: int, source: Origin
) -> LatencyLedger:
    """Return the ledger of a session whose stream has begun.

    `path` are the path's own entries; `device` is the delay in samples from the output back to the input, and `source`
    where that number comes from. Compute time is no row: the worker's turn is its deadline.
    """
    resampling = LatencyEntry(f"resampling from and to {playing.device_rate} Hz", playing.resampling, "buffering")
    turns = turn(playing.period)
    rows = (
        LatencyEntry("device, out and in", device, "device", source),
        *([resampling] if playing.resampling else []),
        LatencyEntry(f"waiting for a block of {BLOCK}", playing.delay - turns, "buffering"),
        LatencyEntry("the worker's turn", turns, "buffering"),
        *path,
    )
    return LatencyLedger(rate, rows)


def ledger(control: Control, rate: int) -> LatencyLedger:
    """Return the ledger of a session as far as it is known: the device as a cable measured it, or as it reports."""
    cable, reported = control.wanted.cable, round(1e-3 * control.playing.reported_ms * rate)
    source: Origin = "measured" if cable else "device-reported"
    return session_ledger(control.playing, control.working.path_entries(), rate, cable or reported, source)


def load(seconds: list[float], period: int, rate: int) -> Load:
    """Return the load of measured times per block, in seconds, against the worker's turn less the reserve."""
    return load_of(seconds, Format(rate, 2, turn(period) - FADE))
