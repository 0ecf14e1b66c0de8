"""Render one song from disk to disk, block by block: all outputs in one pass, each measured while it is written."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.audio_files import Source, WaveWriter, open_wave
from hearsim.core.composites import Chain
from hearsim.core.files import make_folder
from hearsim.core.processor import find
from hearsim.core.units import FloatArray
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.loudness import LoudnessMeter
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import STEMS, Profile
from hearsim.simulation.audibility import VoiceMeter
from hearsim.simulation.clips import Clip
from hearsim.simulation.engine import INPUT, VERSIONS, Cut, Engine, padded
from hearsim.simulation.true_stems import StemsFit

Progress = Callable[[float, float], None]  # finished share, 0 .. 1, and the song's length in seconds


@dataclass
class Result:
    """The measures of a render; `hearsim.report.report_json` makes a report of them."""

    profile: Profile
    source: Source
    fmt: Format
    aid: Chain
    seconds: list[float] = field(default_factory=list)  # compute time of each block through the aid
    loudness: dict[str, LoudnessMeter] = field(default_factory=dict)
    levels: dict[str, BandLevels] = field(default_factory=dict)
    speech: StoiMeter | None = None  # of all versions, with true vocals
    voice: VoiceMeter | None = None  # with true vocals
    stem_loudness: dict[str, LoudnessMeter] = field(default_factory=dict)  # of the saved estimates
    sdr: dict[str, tuple[SdrMeter, SdrMeter]] = field(default_factory=dict)  # of the estimate, of the mixture
    clips: dict[str, Clip] = field(default_factory=dict)  # the excerpts that the page plays
    stem_clips: dict[str, Clip] = field(default_factory=dict)  # of the saved estimates

    @property
    def limiter(self) -> MpoLimiter:
        """The aid's limiter, with its counters."""
        return find(self.aid, MpoLimiter)

    @property
    def separator(self) -> Separator:
        """The aid's separator."""
        return find(self.aid, Separator)


def process(
    song: Source,
    profile: Profile,
    folder: Path,
    true_stems: dict[str, Source],
    progress: Progress,
    stems_folder: Path | None = None,
) -> Result:
    """Stream a song through aid, ear and unaided hearing into a folder; return the measures for the report.

    Parameters
    ----------
    song, profile
        The song and the profile.
    folder
        Gets aided.wav, heard.wav and unaided.wav.
    true_stems
        The true stems by name; the estimates are scored against them.
    progress
        Gets the finished share and the song's length in seconds.
    stems_folder
        Gets the separator's estimated stems, which the aid remixes; None: not written.
    """
    engine = Engine(profile, song.rate)
    result = Result(profile, song, engine.format, engine.aid)
    speech = result.speech = StoiMeter(song.rate, VERSIONS) if "vocals" in true_stems else None
    true_vocals = true_stems["vocals"].blocks(engine.format.block) if "vocals" in true_stems else iter(())
    with ExitStack() as stack:
        sinks = {}
        for name in VERSIONS:
            file = None if name == INPUT else stack.enter_context(open_wave(folder / f"{name}.wav", song.rate))
            sinks[name] = _Sink(file, song, profile, name, speech, true_vocals)
        stems = None
        if true_stems or stems_folder is not None:
            stems = _Stems(engine, song, true_stems, stems_folder, result, stack)
        engine.run(
            song.blocks(engine.format.block),
            song.frames,
            {name: sink.add for name, sink in sinks.items()},
            stems.add if stems else None,
            progress=lambda share: progress(share, song.seconds),
        )
        result.seconds = engine.seconds
        for name, sink in sinks.items():
            result.loudness[name], result.levels[name], result.clips[name] = sink.loudness, sink.levels, sink.clip
        if speech:
            speech.finish()
        if stems and stems.fit is not None:
            stems.fit.warn(f"the stems in {true_stems['vocals'].path.parent}", str(song.path))
    return result


class _Sink:
    """Writes and measures one version of the song, aligned with it."""

    def __init__(
        self,
        file: WaveWriter | None,
        song: Source,
        profile: Profile,
        name: str,
        speech: StoiMeter | None,
        true_vocals: Iterator[FloatArray],
    ) -> None:
        self._file, self._name, self._speech, self._true_vocals = file, name, speech, true_vocals
        rig = profile.rig
        self._pascal = np.float32((rig.microphone if name == INPUT else rig.headphones).pascal_per_unit)
        self.loudness = LoudnessMeter(song.rate)
        self.levels = BandLevels(song.rate, 2)
        self.clip = Clip(song.frames, song.rate)

    def add(self, piece: FloatArray) -> None:
        if self._file is not None:
            self._file.write(piece)
        self.clip.add(piece)
        self.loudness.add(piece)
        self.levels.add(piece * self._pascal)
        if self._speech:
            self._speech.add(self._name, piece)
            if self._name == INPUT:  # aligned with the vocals, of the same length
                self._speech.add_reference(next(self._true_vocals)[:, : piece.shape[1]])


class _Stems:
    """Writes the separator's estimated stems and scores them against the true ones."""

    def __init__(
        self,
        engine: Engine,
        song: Source,
        true_stems: dict[str, Source],
        folder: Path | None,
        result: Result,
        stack: ExitStack,
    ) -> None:
        self._result = result
        self._weights = [np.float32(engine.profile.mix.gain(stem) - 1) for stem in STEMS]
        result.sdr = {name: (SdrMeter(song.rate), SdrMeter(song.rate)) for name in true_stems}
        result.voice = VoiceMeter(song.rate, engine.profile) if "vocals" in true_stems else None
        self.fit = StemsFit(len(STEMS)) if len(true_stems) == len(STEMS) else None  # a part of the stems is not enough
        self._files: dict[str, WaveWriter] = {}
        if folder is not None:
            make_folder(folder)
            self._files = {name: stack.enter_context(open_wave(folder / f"{name}.wav", song.rate)) for name in STEMS}
            result.stem_loudness = {name: LoudnessMeter(song.rate) for name in STEMS}
            result.stem_clips = {name: Clip(song.frames, song.rate) for name in STEMS}
        hop, late = result.separator.hop, engine.stem_latency
        # one array: the true stems and the mixture, with the estimates' latency
        self._true_stems: dict[str, Iterator[FloatArray]] = {
            name: padded(stem.blocks(hop), hop, engine.frames_in(song.frames)) for name, stem in true_stems.items()
        }
        self._lines = np.zeros((len(true_stems) + 1, 2, late + hop), np.float32)
        self._cut = Cut(late, song.frames, self._measure)

    def add(self, mixture: FloatArray, stems: FloatArray) -> None:
        hop = mixture.shape[1]
        self._lines[..., :-hop] = self._lines[..., hop:]
        for line, block in zip(self._lines, (*map(next, self._true_stems.values()), mixture), strict=True):
            line[:, -hop:] = block
        self._cut.add(np.concatenate((stems, self._lines[..., :hop])))

    def _measure(self, piece: FloatArray) -> None:
        *references, mixture = piece[len(STEMS) :]
        true = dict(zip(self._true_stems, references, strict=True))
        if self.fit is not None:
            self.fit.add(piece[len(STEMS) : -1], mixture)
        for name, estimate in zip(STEMS, piece[: len(STEMS)], strict=True):
            if name in self._files:
                self._files[name].write(estimate)
                self._result.stem_loudness[name].add(estimate)
                self._result.stem_clips[name].add(estimate)
            if name in true:
                self._result.sdr[name][0].add(true[name], estimate)
                self._result.sdr[name][1].add(true[name], mixture)
        if self._result.voice is not None:
            estimates = zip(self._weights, piece[: len(STEMS)], strict=True)
            remix = mixture + sum(weight * estimate for weight, estimate in estimates if weight)
            self._result.voice.add(mixture, true["vocals"], remix)
