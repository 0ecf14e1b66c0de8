"""The latency ledger of a live session.

    device period - waiting for an engine block - the worker's turn - the path's own latency

The engine runs in blocks of its own behind any period of the device. With a short block and a turn of one hop of the
network, a fader move takes effect within a hop: after the wait for a block, and a turn.
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
"""The worker's least time from a full input block to its due output, in samples (7.3 ms)."""


def waiting(period: int) -> int:
    """Return the longest wait of a sample for its block to fill, in samples, beyond its own period.

    The same count as `Reblock`'s: block - gcd(block, period). Where the count of a call varies it is that of period 1.
    """
    return BLOCK - math.gcd(BLOCK, period)


def turn(period: int) -> int:
    """Return the worker's turn in samples: `TURN` in whole periods, and the reserve for a crossfade."""
    return -(-TURN // period) * period + FADE


def check_period(period: int) -> None:
    """Raise `HearsimError` for a period outside the engine's range."""
    if not 1 <= period <= LARGEST_PERIOD:
        raise HearsimError(f"the device hands over {period} samples at a time: set its period to 16 .. 1024")


def session_ledger(
    playback_status: PlaybackStatus, path: list[LatencyEntry], rate: int, device: int, source: Origin
) -> LatencyLedger:
    """Return the ledger of a session whose stream has begun.

    `path` are the path's own entries; `device` is the delay in samples from the output back to the input, and `source`
    the origin of that number. Compute time is no row: the worker's turn is its deadline.
    """
    resampling = LatencyEntry(
        f"resampling from and to {playback_status.device_rate} Hz", playback_status.resampling, "buffering"
    )
    turns = turn(playback_status.period)
    rows = (
        LatencyEntry("device, out and in", device, "device", source),
        *([resampling] if playback_status.resampling else []),
        LatencyEntry(f"waiting for a block of {BLOCK}", playback_status.delay - turns, "buffering"),
        LatencyEntry("the worker's turn", turns, "buffering"),
        *path,
    )
    return LatencyLedger(rate, rows)


def ledger(control: Control, rate: int) -> LatencyLedger:
    """Return the ledger of a session as far as it is known; the device's delay is measured by cable, or reported."""
    cable, reported = control.controls.cable, round(1e-3 * control.playback_status.reported_ms * rate)
    source: Origin = "measured" if cable else "device-reported"
    return session_ledger(
        control.playback_status, control.worker_status.path_entries(), rate, cable or reported, source
    )


def load(seconds: list[float], period: int, rate: int) -> Load:
    """Return the load of measured times per block, in seconds, against the worker's turn less the reserve."""
    return load_of(seconds, Format(rate, 2, turn(period) - FADE))
