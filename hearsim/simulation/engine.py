"""The one engine: a song's blocks through aid, ear and unaided hearing, and each output aligned with the song.

song --+-- aid ------------+-- aided
       |     +-- stems     +-- ear (vent, hearing loss) -- heard
       +-- hearing loss ------------------------------- unaided

`hearsim.simulation.streaming` writes and measures the outputs, `hearsim.simulation.listening` collects them in memory.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.composites import Chain, Delay
from hearsim.core.processor import find, walk
from hearsim.core.units import FloatArray
from hearsim.ear.ear import Ear, unaided
from hearsim.profile.schema import Profile

INPUT, UNAIDED, AIDED, HEARD = VERSIONS = ("input", "unaided", "aided", "heard")
StemSink = Callable[[FloatArray, FloatArray], None]
"""Takes one hop of the mixture (channels, hop) and of the stems (stems, channels, hop), `stem_latency` later."""


class Engine:
    """Aid, ear and unaided hearing of a profile, prepared for one stream of stereo blocks in full scale.

    Parameters
    ----------
    profile
        Listener, mix, aid and rig.
    rate
        Sample rate in Hz.
    aid
        The aid, `hearing_aid(profile)` without it.
    upstream
        Latency of the aid's input in samples, if its stems were separated and remixed before.
    with_unaided
        Whether unaided hearing is simulated too.
    """

    def __init__(
        self,
        profile: Profile,
        rate: int,
        aid: Chain | None = None,
        upstream: int = 0,
        with_unaided: bool = True,
    ) -> None:
        self.profile, self.format = profile, Format(rate, 2, profile.block_samples)
        self.aid, self._ear = hearing_aid(profile) if aid is None else aid, Ear(profile)
        self.aid.prepare(replace(self.format, upstream_latency=upstream))
        self._ear.prepare(self.format)
        aided = upstream + self.aid.latency
        self.latency = {INPUT: 0, AIDED: aided, HEARD: self._ear.latency + (0 if self._ear.vented else aided)}
        self._unaided = unaided(profile) if with_unaided else None
        if self._unaided is not None:
            self._unaided.prepare(self.format)
            self.latency[UNAIDED] = self._unaided.latency
        self.seconds: list[float] = []  # compute time of each block through the aid
        self._hops: list[tuple[FloatArray, FloatArray]] = []

    @classmethod
    def after_remix(cls, profile: Profile, rate: int, upstream: int) -> "Engine":
        """Return an engine for a song whose stems were separated and remixed before, `upstream` samples late."""
        return cls(profile, rate, hearing_aid(profile, separation=Delay(0)), upstream, with_unaided=False)

    @property
    def separator(self) -> Separator | None:
        """The aid's separator; None where its input is a remix."""
        return next((stage for stage in walk(self.aid) if isinstance(stage, Separator)), None)

    @property
    def mpo_events(self) -> tuple[int, int]:
        """Number of limiter events per ear."""
        return find(self.aid, MpoLimiter).events

    @property
    def stem_latency(self) -> int:
        """Latency of the separator's stems relative to its mixture, in samples."""
        return self.separator.latency if self.separator else 0

    @property
    def separation_latency(self) -> int:
        """Latency of the stems relative to the song, in samples: network and reblocking."""
        if self.separator is None:
            return 0
        hop = self.separator.hop
        return self.stem_latency + hop - math.gcd(hop, self.format.block)

    def frames_in(self, frames: int) -> int:
        """Return the number of input frames until all outputs of a song of `frames` are complete: whole blocks."""
        block = self.format.block
        return -(-(frames + max(self.latency.values())) // block) * block

    def run(
        self,
        song: Iterable[FloatArray],
        frames: int,
        sinks: Mapping[str, Callable[[FloatArray], None]],
        stems: StemSink | None = None,
        remixed: Iterable[FloatArray] | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """Run a song of `frames` through, block by block; each version goes to its sink aligned with the song.

        Parameters
        ----------
        song
            Blocks (2, block) of the song.
        frames
            Length of the song in samples.
        sinks
            Takes the pieces (2, n) of each version, `frames` in all; the arrays are valid during the call.
        stems
            Takes mixture and stems of the aid's own separator, hop by hop: the network runs only once.
        remixed
            The blocks that go into the aid instead of the song, for `Engine.after_remix`.
        progress
            Gets the finished share, 0 to 1.
        """
        total = self.frames_in(frames)
        cuts = {name: Cut(self.latency[name], frames, sink) for name, sink in sinks.items()}
        block = self.format.block
        into_aid = None if remixed is None else padded(remixed, block, total)
        separator = self.separator if stems is not None else None
        if separator is not None:
            separator.tap = self._keep
        try:
            for index, sound in enumerate(padded(song, block, total), start=1):
                for name, output in self._hear(sound, sound if into_aid is None else next(into_aid)):
                    if name in cuts:
                        cuts[name].add(output)
                if stems is not None:
                    for hop in self._hops:
                        stems(*hop)
                    self._hops.clear()
                progress(min(1.0, index * block / total))
        finally:
            if separator is not None:
                separator.tap = None

    def _hear(self, sound: FloatArray, mixed: FloatArray) -> Iterator[tuple[str, FloatArray]]:
        """Yield the versions of one block of the song; `mixed` is the block that goes into the aid."""
        yield INPUT, sound
        if self._unaided is not None:
            yield UNAIDED, self._unaided.process(sound)
        started = time.perf_counter()
        aided = self.aid.process(mixed)
        self.seconds.append(time.perf_counter() - started)
        yield AIDED, aided
        yield HEARD, self._ear.process(aided, sound)

    def _keep(self, mixture: FloatArray, stems: FloatArray) -> None:
        """Store a hop until the end of the block, so that its sink's time is not part of the aid's compute time."""
        self._hops.append((mixture.copy(), stems.copy()))


class Cut:
    """Trims a late stream (..., frames) block by block to the song: without latency and tail."""

    def __init__(self, latency: int, frames: int, sink: Callable[[FloatArray], None]) -> None:
        self._skip, self._remaining, self._sink = latency, frames, sink

    def add(self, block: FloatArray) -> None:
        """Take the next block."""
        skipped = min(self._skip, block.shape[-1])
        piece = block[..., skipped : skipped + self._remaining]
        self._skip -= skipped
        self._remaining -= piece.shape[-1]
        if piece.shape[-1]:
            self._sink(piece)


class Collector:
    """Collects a stream's pieces (..., n) in one array of known length."""

    def __init__(self, *shape: int) -> None:
        self.samples = np.zeros(shape, np.float32)
        self._position = 0

    def add(self, piece: FloatArray) -> None:
        """Take the next piece."""
        self.samples[..., self._position : self._position + piece.shape[-1]] = piece
        self._position += piece.shape[-1]


def padded(blocks: Iterable[FloatArray], block: int, total: int) -> Iterator[FloatArray]:
    """Yield blocks (2, block) and then silence, `total` frames in all; a shorter last block is padded."""
    position = 0
    for sound in blocks:
        padding = block - sound.shape[1]
        yield np.pad(sound, ((0, 0), (0, padding))) if padding else sound
        position += block
    while position < total:
        yield np.zeros((2, block), np.float32)
        position += block


def blocks_of(samples: FloatArray, block: int) -> Iterator[FloatArray]:
    """Yield samples (channels, frames) in blocks; the last may be shorter."""
    for start in range(0, samples.shape[1], block):
        yield samples[:, start : start + block]
