"""STOI and ESTOI (Taal et al. 2011; Jensen & Taal 2016) by pystoi, in bounded memory."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import soxr

from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray

Kind = Literal["stoi", "estoi"]
STOI_RATE_HZ = 10000  # Taal et al. 2011, section II
_EXCERPT = 60 * STOI_RATE_HZ  # samples: a minute
_FRAME, _HOP, _RANGE_DB = 256, 128, 40.0  # Taal et al. 2011, section II: the gate that excludes silence
_FEWEST_FRAMES = 31  # pystoi loses one frame in overlap-add and correlates 30: 0.41 s


class StoiMeter:
    """STOI and ESTOI of versions of a signal against a clean reference, streamed in any blocks.

    Up to a minute the result is pystoi's. Longer signals are cut every 60 s, and the excerpts' figures are averaged,
    each weighed by its frames of speech: those within 40 dB of the loudest frame of the whole reference. So memory
    holds a minute of each signal, and of the rest two figures per excerpt and the level of each frame of the reference
    (one every 12.8 ms). Signals are mixed down to mono and resampled to 10 kHz by soxr; pystoi's own resampler has a
    softer edge at the same 5 kHz: over rates of 16 to 48 kHz the two differ by less than 0.0001 (see the tests).
    Channels of opposite polarity cancel.
    """

    def __init__(self, rate_hz: int, versions: Sequence[str], kinds: Sequence[Kind] = ("stoi", "estoi")) -> None:
        self._reference = _Excerpts(rate_hz)
        self._versions = {name: _Excerpts(rate_hz) for name in versions}
        self._levels: list[Curve] = []  # per excerpt: the level in dB of each frame of the reference
        self._values: dict[tuple[str, Kind], list[float]] = {(name, kind): [] for name in versions for kind in kinds}

    def add_reference(self, block: FloatArray) -> None:
        """Take the next block (channels, frames) of the clean signal."""
        self._reference.add(block)
        self._score()

    def add(self, version: str, block: FloatArray) -> None:
        """Take the next block (channels, frames) of a version; it may be before or after the reference's."""
        self._versions[version].add(block)
        self._score()

    def finish(self) -> None:
        """Score the last excerpt; raises `HearsimError` where the signals are not equally long."""
        streams = (self._reference, *self._versions.values())
        for stream in streams:
            stream.finish()
        self._score()
        if any(stream.ready for stream in streams):
            raise HearsimError("STOI needs signals of equal length: one of them goes on after the others")

    def value(self, version: str, kind: Kind) -> float:
        """Return the figure of a version, after `finish`.

        Raises `HearsimError` for NaN and Inf, and where no excerpt holds enough speech (there pystoi would return
        1e-5, which is no measurement).
        """
        loudest = np.max([level.max(initial=-np.inf) for level in self._levels], initial=-np.inf)
        total, weight = 0.0, 0
        for level, value in zip(self._levels, self._values[version, kind], strict=True):
            speaking = int(np.count_nonzero(level > loudest - _RANGE_DB)) if np.isfinite(loudest) else 0
            if speaking >= _FEWEST_FRAMES:
                total, weight = total + speaking * value, weight + speaking
        if np.isnan(loudest + total):
            raise HearsimError("STOI needs finite samples: the reference or the processed signal holds NaN or Inf")
        if weight == 0:
            raise HearsimError("STOI can't be computed: the reference speaks for less than half a second")
        return total / weight

    def _score(self) -> None:
        """Score the excerpts that are complete in all signals."""
        while self._reference.ready and all(stream.ready for stream in self._versions.values()):
            clean = self._reference.ready.popleft()
            levels = _frame_levels_db(clean)
            # pystoi's gate is at 40 dB under the excerpt's own peak, never over that of the final weights
            speaks = np.count_nonzero(levels > levels.max(initial=-np.inf) - _RANGE_DB) >= _FEWEST_FRAMES
            self._levels.append(levels)
            for name, stream in self._versions.items():
                processed = stream.ready.popleft()
                for kind in [kind for version, kind in self._values if version == name]:
                    value = _stoi_of(clean, processed, kind) if speaks else 0.0
                    self._values[name, kind].append(value)


class _Excerpts:
    """Cuts a stream (channels, frames), mixed down to mono at 10 kHz, into `ready` excerpts of a minute."""

    def __init__(self, rate_hz: int) -> None:
        same = rate_hz == STOI_RATE_HZ
        self._stream = None if same else soxr.ResampleStream(rate_hz, STOI_RATE_HZ, 1, dtype="float32", quality="VHQ")
        self._waiting: list[FloatArray] = []
        self._frames = 0
        self.ready: deque[FloatArray] = deque()

    def add(self, block: FloatArray) -> None:
        self._take(np.ascontiguousarray(block.mean(axis=0, dtype=np.float32)), last=False)

    def finish(self) -> None:
        self._take(np.zeros(0, np.float32), last=True)
        if self._frames:
            self.ready.append(np.concatenate(self._waiting))
        self._waiting, self._frames = [], 0

    def _take(self, mono: FloatArray, last: bool) -> None:
        piece = mono if self._stream is None else self._stream.resample_chunk(mono, last=last)
        while self._frames + piece.size >= _EXCERPT:
            head, piece = piece[: _EXCERPT - self._frames], piece[_EXCERPT - self._frames :]
            self.ready.append(np.concatenate((*self._waiting, head)))
            self._waiting, self._frames = [], 0
        self._waiting.append(piece)
        self._frames += piece.size


def stoi(reference: FloatArray, processed: FloatArray, rate_hz: int = STOI_RATE_HZ, *, extended: bool = False) -> float:
    """Return STOI (or ESTOI) of mono signals (frames,), as `StoiMeter` does.

    Raises `HearsimError` for signals of unequal length, for NaN and Inf, and where there is not enough speech.
    """
    if reference.ndim != 1 or reference.shape != processed.shape:
        raise HearsimError(
            f"STOI needs two mono signals of equal length, not shapes {reference.shape} and {processed.shape}"
        )
    kind: Kind = "estoi" if extended else "stoi"
    meter = StoiMeter(rate_hz, ("processed",), (kind,))
    meter.add_reference(reference[None])
    meter.add("processed", processed[None])
    meter.finish()
    return meter.value("processed", kind)


def _stoi_of(clean: FloatArray, processed: FloatArray, kind: Kind) -> float:
    """Return pystoi's figure for one excerpt at 10 kHz; NaN for non-finite samples."""
    from pystoi import stoi as pystoi

    if clean.shape != processed.shape:
        raise HearsimError(f"STOI needs signals of equal length, not of {clean.size} and {processed.size} samples")
    if not np.isfinite(processed).all():
        return math.nan
    with _repeatable():
        return float(pystoi(clean, processed, STOI_RATE_HZ, extended=kind == "estoi"))


def _frame_levels_db(signal: FloatArray) -> Curve:
    """Return the level in dB of each frame as in pystoi's gate: Hann windows without their zeros, half overlap."""
    count = max(0, -(-(signal.size - _FRAME) // _HOP))
    if count == 0:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(signal, _FRAME)[: count * _HOP : _HOP]
    taper = np.hanning(_FRAME + 2)[1:-1]
    power = (frames.astype(np.float64) ** 2) @ taper**2
    with np.errstate(divide="ignore"):
        levels: Curve = 10 * np.log10(power)
    return levels


@contextmanager
def _repeatable() -> Iterator[None]:
    """Seed numpy's global generator in the body: pystoi's ESTOI dithers with it, which matters in silence."""
    state = np.random.get_state()  # noqa: NPY002 (pystoi takes no Generator)
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
