"""The contract of a stage, and the composites that are stages themselves.

A stage is given its settings when it is made, is prepared for a `Format`, turns one block into one block of
equal length and says how many samples late it is:

    y[n] answers x[n - latency]

Three kinds of attribute, never mixed: *settings* (frozen, from the profile), *tables* (derived in `prepare`,
replaced whole by `configure`), *state* (buffers; only `process` and `reset` touch them).
"""

import abc
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from hearsim.audio import Audio, Format
from hearsim.errors import FormatError
from hearsim.units import FloatArray, samples_to_ms

Kind = Literal["algorithm", "buffering", "device", "acoustics"]
Stage = TypeVar("Stage", bound="Processor")


class Part(NamedTuple):
    """One row of the latency ledger: who is late, by how many samples, and of what kind the delay is."""

    name: str
    samples: int
    kind: Kind


class Processor(abc.ABC):
    """One stage of the signal path.

    The array that `process` returns belongs to the stage and is valid until its next call: copy what you keep.
    """

    kind: Kind = "algorithm"

    @property
    def name(self) -> str:
        """The name under which tables and error messages list this stage."""
        return type(self).__name__

    @abc.abstractmethod
    def prepare(self, fmt: Format) -> Format:
        """Check the format, allocate, derive tables, reset; return the format of the output.

        The only place that refuses a format (`FormatError`), and the only one that allocates.
        """

    @abc.abstractmethod
    def process(self, block: FloatArray) -> FloatArray:
        """Turn one block (stems?, channels, frames) into one of equal length.

        Never writes its input; no I/O, no locks, no logging, no growth.
        """

    @abc.abstractmethod
    def reset(self) -> None:
        """Return to exactly the state right after `prepare`."""

    @property
    @abc.abstractmethod
    def latency(self) -> int:
        """Delay in samples, valid after `prepare`."""

    @property
    def non_finite(self) -> tuple[int, ...]:
        """Samples per channel, since the last reset, that were no sound and became silence: NaN, Inf, absurdly large.

        Empty for stages that only pass samples on: what is no sound passes them like any other sample.
        """
        return ()

    @property
    def inside(self) -> Sequence["Processor"]:
        """The stages that this one is made of, in path order; empty for all but composites."""
        return ()

    def parts(self) -> tuple[Part, ...]:
        """Return the rows of the latency ledger; their samples sum to `latency`."""
        return (Part(self.name, self.latency, self.kind),)

    def refuse(self, fmt: Format, why: str) -> FormatError:
        """Return the error for a format this stage can't take: its name, the format, the reason."""
        return FormatError(f"{self.name} can't take {fmt}: {why}")


class Delay(Processor):
    """A pure delay of a stated number of samples, bit for bit."""

    kind: Kind = "buffering"

    def __init__(self, samples: int, name: str = "Delay") -> None:
        if samples < 0:
            raise ValueError(f"a delay of {samples} samples would look into the future")
        self._samples = samples
        self._name = name

    @property
    def name(self) -> str:  # noqa: D102
        return self._name

    @property
    def latency(self) -> int:  # noqa: D102
        return self._samples

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        self._line = np.zeros((*fmt.shape[:-1], self._samples + fmt.block), np.float32)
        self._out = np.zeros(fmt.shape, np.float32)
        return fmt

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        if self._samples == 0:
            return block
        frames = block.shape[-1]
        self._line[..., : self._samples] = self._line[..., frames:]  # numpy copies as if through a temporary
        self._line[..., self._samples :] = block
        self._out[...] = self._line[..., :frames]
        return self._out

    def reset(self) -> None:  # noqa: D102
        self._line.fill(0.0)


class Chain(Processor):
    """Stages one after another; latencies add up."""

    def __init__(self, *stages: Processor, name: str = "Chain") -> None:
        self.stages = stages
        self._name = name

    @property
    def name(self) -> str:  # noqa: D102
        return self._name

    @property
    def inside(self) -> Sequence[Processor]:  # noqa: D102
        return self.stages

    @property
    def latency(self) -> int:  # noqa: D102
        return sum(stage.latency for stage in self.stages)

    def parts(self) -> tuple[Part, ...]:  # noqa: D102
        return tuple(part for stage in self.stages for part in stage.parts())

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        self.formats = [fmt]
        for stage in self.stages:
            output = stage.prepare(self.formats[-1])
            self.formats.append(replace(output, late=self.formats[-1].late + stage.latency))
        return self.formats[-1]

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        for stage in self.stages:
            block = stage.process(block)
        return block

    def reset(self) -> None:  # noqa: D102
        for stage in self.stages:
            stage.reset()


class Parallel(Processor):
    """The same input through several branches, summed; faster branches wait for the slowest, to the sample."""

    def __init__(self, *branches: Processor, name: str = "Parallel") -> None:
        self.branches = branches
        self._name = name

    @property
    def name(self) -> str:  # noqa: D102
        return self._name

    @property
    def inside(self) -> Sequence[Processor]:  # noqa: D102
        return self.branches

    @property
    def latency(self) -> int:  # noqa: D102
        return self.slowest.latency

    def parts(self) -> tuple[Part, ...]:  # noqa: D102
        return self.slowest.parts()

    @property
    def slowest(self) -> Processor:
        """The branch that the others wait for."""
        return max(self.branches, key=lambda branch: branch.latency)

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        outputs = [branch.prepare(fmt) for branch in self.branches]
        if any(output != outputs[0] for output in outputs):
            raise self.refuse(fmt, f"its branches end in different formats: {', '.join(map(str, outputs))}")
        self.matches = [Delay(self.latency - branch.latency) for branch in self.branches]
        for match in self.matches:
            match.prepare(outputs[0])
        self._sum = np.zeros(outputs[0].shape, np.float32)
        return outputs[0]

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        for index, (branch, match) in enumerate(zip(self.branches, self.matches, strict=True)):
            output = match.process(branch.process(block))
            if index == 0:
                self._sum[...] = output
            else:
                with np.errstate(over="ignore", invalid="ignore"):  # what is no sound stays none, without a word
                    self._sum += output
        return self._sum

    def reset(self) -> None:  # noqa: D102
        for stage in (*self.branches, *self.matches):
            stage.reset()


class Reblock(Processor):
    """Run a stage on blocks of its own size behind any host block.

    Costs exactly `block - gcd(block, host block)` samples: the least with which an output block is always
    ready (Neutone SDK and anira come to the same number; tests check it against brute force).
    """

    def __init__(self, stage: Processor, block: int) -> None:
        self.stage = stage
        self._block = block

    @property
    def name(self) -> str:  # noqa: D102
        return f"Reblock to {self._block}"

    @property
    def inside(self) -> Sequence[Processor]:  # noqa: D102
        return (self.stage,)

    @property
    def latency(self) -> int:  # noqa: D102
        return self._added + self.stage.latency

    def parts(self) -> tuple[Part, ...]:  # noqa: D102
        return (Part(self.name, self._added, "buffering"), *self.stage.parts())

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        self._added = self._block - math.gcd(self._block, fmt.block)
        self.format = replace(fmt, block=self._block, late=fmt.late + self._added)
        outer = replace(self.stage.prepare(self.format), block=fmt.block)
        room = self._block + fmt.block
        self._waiting = np.zeros((*fmt.shape[:-1], room), np.float32)
        self._ready = np.zeros((*outer.shape[:-1], room + self._block), np.float32)
        self._out = np.zeros(outer.shape, np.float32)
        self._waiting_frames, self._ready_frames = 0, self._added
        return outer

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        frames, size = block.shape[-1], self._block
        self._waiting[..., self._waiting_frames : self._waiting_frames + frames] = block
        self._waiting_frames += frames
        start = 0
        while self._waiting_frames - start >= size:
            output = self.stage.process(self._waiting[..., start : start + size])
            self._ready[..., self._ready_frames : self._ready_frames + size] = output
            self._ready_frames += size
            start += size
        self._waiting_frames -= start
        self._waiting[..., : self._waiting_frames] = self._waiting[..., start : start + self._waiting_frames]
        self._out[...] = self._ready[..., :frames]
        self._ready_frames -= frames
        self._ready[..., : self._ready_frames] = self._ready[..., frames : frames + self._ready_frames]
        return self._out

    def reset(self) -> None:  # noqa: D102
        self.stage.reset()
        self._waiting.fill(0.0)
        self._ready.fill(0.0)
        self._waiting_frames, self._ready_frames = 0, self._added


class Bypass(Processor):
    """Leave a stage out, and stay as late as it is."""

    kind: Kind = "buffering"

    def __init__(self, stage: Processor) -> None:
        self.stage = stage

    @property
    def name(self) -> str:  # noqa: D102
        return f"{self.stage.name} (bypassed)"

    @property
    def inside(self) -> Sequence[Processor]:  # noqa: D102
        return (self.stage,)

    @property
    def latency(self) -> int:  # noqa: D102
        return self.stage.latency

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        output = self.stage.prepare(fmt)
        if output != fmt:
            raise self.refuse(fmt, f"{self.stage.name} turns it into {output}, so it can't be left out")
        self._delay = Delay(self.stage.latency)
        return self._delay.prepare(fmt)

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        return self._delay.process(block)

    def reset(self) -> None:  # noqa: D102
        self._delay.reset()


def render(chain: Processor, audio: Audio, block: int = 512) -> Audio:
    """Run audio through a chain offline: pad by its latency, run, trim.

    Parameters: `audio` (channels, frames) in full scale; `block` the host block in samples.
    Returns audio of the same length, aligned with the input. Raises `FormatError` where a stage refuses.
    """
    fmt = chain.prepare(Format(audio.rate, audio.channels, block))
    total = audio.frames + chain.latency
    padded = np.zeros((audio.channels, math.ceil(total / block) * block), np.float32)
    padded[:, : audio.frames] = audio.samples
    output = np.empty((*fmt.shape[:-1], padded.shape[-1]), np.float32)
    for start in range(0, padded.shape[-1], block):
        output[..., start : start + block] = chain.process(padded[:, start : start + block])
    return Audio(output[..., chain.latency : total].copy(), audio.rate)


def describe(chain: Processor, fmt: Format | None = None) -> str:
    """Return the latency ledger of a chain as text: name, kind, own and cumulative delay.

    Prepares the chain for `fmt` (default: 44.1 kHz stereo, block 512) and so resets it.
    """
    fmt = fmt or Format(44100, 2, 512)
    output = chain.prepare(fmt)
    lines = [
        f"{chain.name}: {fmt} -> {output}",
        f"{'stage':<44}{'kind':<12}{'samples':>8}{'ms':>8}{'sum ms':>8}",
    ]
    total = 0
    for part in chain.parts():
        total += part.samples
        own, cumulative = samples_to_ms(part.samples, fmt.rate), samples_to_ms(total, fmt.rate)
        lines.append(f"{part.name:<44}{part.kind:<12}{part.samples:>8}{own:>8.2f}{cumulative:>8.2f}")
    lines.append(f"{'file shift':<56}{total:>8}{samples_to_ms(total, fmt.rate):>8.2f}")
    live = total + fmt.block
    lines.append(f"{f'live delay (one block of {fmt.block} more)':<56}{live:>8}{samples_to_ms(live, fmt.rate):>8.2f}")
    return "\n".join(lines)


def walk(stage: Processor) -> Sequence[Processor]:
    """Return a stage and all stages inside it, in path order."""
    return [stage, *(found for child in stage.inside for found in walk(child))]


def find(stage: Processor, kind: type[Stage]) -> Stage:
    """Return the first stage of a kind in a chain that has one, in path order."""
    return next(found for found in walk(stage) if isinstance(found, kind))
