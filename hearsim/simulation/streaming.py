"""Render one song: from disk to disk, block by block, all outputs in one pass, whole or not at all.

song --+-- aid ------------+-- aided.wav
       |                   +-- ear (vent, hearing loss) -- heard.wav
       +-- hearing loss ------------------------------- unaided.wav
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.audio_files import Source, WaveWriter, open_wave
from hearsim.core.composites import Chain, Reblock
from hearsim.core.files import writes
from hearsim.core.processor import Processor, find
from hearsim.core.units import FloatArray
from hearsim.ear.ear import Ear, unaided
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.loudness import LoudnessMeter
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import STEMS, Profile
from hearsim.simulation.clips import Clip

Progress = Callable[[float, float], None]  # takes the share that is done, 0 .. 1, and the song's length in seconds
VERSIONS = ("input", "unaided", "aided", "heard")


@dataclass
class Result:
    """What a render has measured; `hearsim.report.report_json` makes the report of it."""

    profile: Profile
    source: Source
    fmt: Format
    aid: Chain
    seconds: list[float] = field(default_factory=list)  # compute time of each block through the aid
    loudness: dict[str, LoudnessMeter] = field(default_factory=dict)
    levels: dict[str, BandLevels] = field(default_factory=dict)
    speech: StoiMeter | None = None  # of all versions, where true vocals are given
    stem_levels: dict[str, BandLevels] = field(default_factory=dict)
    stem_loudness: dict[str, LoudnessMeter] = field(default_factory=dict)  # of the saved estimates
    sdr: dict[str, tuple[SdrMeter, SdrMeter]] = field(default_factory=dict)  # of the estimate, of the mixture
    clips: dict[str, Clip] = field(default_factory=dict)  # what the page plays

    @property
    def limiter(self) -> MpoLimiter:
        """The aid's limiter, with its counters."""
        return find(self.aid, MpoLimiter)

    @property
    def separator(self) -> Separator:
        """The aid's separator."""
        return find(self.aid, Separator)


def process(song: Source, profile: Profile, folder: Path, truth: dict[str, Source], progress: Progress) -> Result:
    """Stream a song through aid, ear and loss into a folder; collect what the report needs."""
    block = profile.aid.block_samples
    fmt = Format(song.rate, 2, block)
    aid, ear, bare = hearing_aid(profile), Ear(profile), unaided(profile)
    aid.prepare(fmt)
    ear.prepare(fmt)
    bare.prepare(fmt)
    result = Result(profile, song, fmt, aid)
    result.speech = StoiMeter(song.rate, VERSIONS) if "vocals" in truth else None
    late = {
        "input": 0,
        "unaided": bare.latency,
        "aided": aid.latency,
        "heard": ear.latency + (0 if ear.vented else aid.latency),
    }
    with ExitStack() as stack:
        sinks = {}
        for name in VERSIONS:
            file = None if name == "input" else stack.enter_context(open_wave(folder / f"{name}.wav", song.rate))
            sinks[name] = _Sink(file, late[name], song, profile, name, result.speech)
        true_vocals = truth["vocals"].blocks(block) if "vocals" in truth else iter(())
        done, total = 0, song.frames + max(late.values())
        for sound in _padded(song, block, total):
            started = time.perf_counter()
            aided = aid.process(sound)
            result.seconds.append(time.perf_counter() - started)
            outputs = {
                "input": sound,
                "unaided": bare.process(sound),
                "aided": aided,
                "heard": ear.process(aided, sound),
            }
            for name, sink in sinks.items():
                sink.add(outputs[name])
            if result.speech and (piece := next(true_vocals, None)) is not None:
                result.speech.add_reference(piece[:, : song.frames - done])
            done += block
            progress(min(1.0, done / total), song.seconds)
        for name, sink in sinks.items():
            result.loudness[name], result.levels[name], result.clips[name] = sink.loudness, sink.levels, sink.clip
        if result.speech:
            result.speech.finish()
    return result


class _Sink:
    """Takes one version of the song as it comes, late; drops its latency, writes and measures the rest."""

    def __init__(
        self,
        file: WaveWriter | None,
        late: int,
        song: Source,
        profile: Profile,
        name: str,
        speech: StoiMeter | None,
    ) -> None:
        self._file, self._skip, self._left = file, late, song.frames
        self._name, self._speech = name, speech
        rig = profile.rig
        self._pascal = np.float32((rig.microphone if name == "input" else rig.headphones).pascal_per_unit)
        self.loudness = LoudnessMeter(song.rate)
        self.levels = BandLevels(song.rate, 2)
        self.clip = Clip(song.frames, song.rate)

    def add(self, block: FloatArray) -> None:
        skipped = min(self._skip, block.shape[1])
        piece = block[:, skipped : skipped + self._left]
        self._skip -= skipped
        self._left -= piece.shape[1]
        if piece.shape[1] == 0:
            return
        if self._file is not None:
            self._file.write(piece)
        self.clip.add(piece)
        self.loudness.add(piece)
        self.levels.add(piece * self._pascal)
        if self._speech:
            self._speech.add(self._name, piece)


def _padded(song: Source, block: int, total: int) -> Iterator[FloatArray]:
    """Yield a song's blocks and then silence, until `total` frames have come."""
    come = 0
    for sound in song.blocks(block):
        yield sound
        come += block
    while come < total:
        yield np.zeros((2, block), np.float32)
        come += block


def separate(
    song: Source,
    profile: Profile,
    truth: dict[str, Source],
    folder: Path | None,
    result: Result,
    progress: Progress,
) -> None:
    """Take a song apart once more to judge the stems against the true ones and, with a folder, to keep them."""
    separator = Separator(profile.model)
    hop = separator.hop
    chain: Processor = Chain(Reblock(separator, hop))
    chain.prepare(Format(song.rate, 2, hop))
    skip, left, done = chain.latency, song.frames, 0
    total = song.frames + skip
    result.sdr = {name: (SdrMeter(song.rate), SdrMeter(song.rate)) for name in truth}
    result.stem_levels = {name: BandLevels(song.rate, 2) for name in ("vocals", "accompaniment") if "vocals" in truth}
    pascal = np.float32(profile.rig.microphone.pascal_per_unit)
    true_blocks = {name: _padded(stem, hop, total) for name, stem in truth.items()}
    with ExitStack() as stack:
        files = {}
        if folder is not None:
            with writes(folder):
                folder.mkdir()
            files = {name: stack.enter_context(open_wave(folder / f"{name}.wav", song.rate)) for name in STEMS}
            result.stem_loudness = {name: LoudnessMeter(song.rate) for name in STEMS}
        held = {name: np.zeros((2, skip), np.float32) for name in (*truth, "mixture")}
        for sound in _padded(song, hop, total):
            stems = chain.process(sound)
            references = {}
            now = {name: next(blocks) for name, blocks in true_blocks.items()} | {"mixture": sound}
            for name, block in now.items():  # late by as much as the estimates
                line = np.concatenate((held[name], block), axis=1)
                references[name], held[name] = line[:, :hop], line[:, hop:]
            first = min(skip, hop)
            skip -= first
            part = slice(first, first + left)
            for index, name in enumerate(STEMS):
                if name in files:
                    files[name].write(stems[index][:, part])
                    result.stem_loudness[name].add(stems[index][:, part])
                if name in truth:
                    result.sdr[name][0].add(references[name][:, part], stems[index][:, part])
                    result.sdr[name][1].add(references[name][:, part], references["mixture"][:, part])
            if result.stem_levels:
                voice = references["vocals"][:, part]
                result.stem_levels["vocals"].add(voice * pascal)
                result.stem_levels["accompaniment"].add((references["mixture"][:, part] - voice) * pascal)
            left -= len(range(*part.indices(hop)))
            done += hop
            progress(min(1.0, done / total), song.seconds)
