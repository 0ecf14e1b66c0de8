"""Composite stages: delay, chain, parallel branches, reblocking and bypass."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hearsim.core.arguments import check_count
from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.latency import Kind, LatencyEntry
from hearsim.core.processor import Processor, check_stage, describe, find, walk
from hearsim.core.units import FloatArray


class Delay(Processor):
    """A pure delay of a stated number of samples, bit for bit.

    Raises `HearsimError` for anything but a whole number from 0 on.

    Examples
    --------
    >>> Delay(441)
    Delay(samples=441, name='Delay')
    >>> Delay(441).latency
    441
    """

    kind: Kind = "buffering"

    def __init__(self, samples: int, name: str = "Delay") -> None:
        check_count("Delay: samples", samples, least=0)
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
        self._line[..., : self._samples] = self._line[..., frames:]  # numpy handles the overlap
        self._line[..., self._samples :] = block
        self._out[...] = self._line[..., :frames]
        return self._out

    def reset(self) -> None:  # noqa: D102
        self._line.fill(0.0)


class _Composite(Processor):
    """Stages under a name; raises `HearsimError` for anything but a stage."""

    def __init__(self, stages: tuple[Processor, ...], name: str) -> None:
        for stage in stages:
            check_stage(name, stage)
        self.stages, self._name = stages, name

    @property
    def name(self) -> str:
        return self._name

    @property
    def inside(self) -> Sequence[Processor]:
        return self.stages

    def reset(self) -> None:
        for stage in self.stages:
            stage.reset()


class Chain(_Composite):
    """Stages in series; latencies add up. Its `repr` is the latency ledger.

    Raises `HearsimError` for anything but a stage.

    Examples
    --------
    >>> chain = Chain(Delay(100), Delay(341))
    >>> chain.latency
    441
    """

    def __init__(self, *stages: Processor, name: str = "Chain") -> None:
        super().__init__(stages, name)

    @property
    def latency(self) -> int:  # noqa: D102
        return sum(stage.latency for stage in self.stages)

    def index(self, kind: type[Processor]) -> int:
        """Return the position of the first stage that is of a kind or holds one; raises `HearsimError` for none."""
        first = find(self, kind)
        return next(index for index, stage in enumerate(self.stages) if first in walk(stage))

    def latency_entries(self) -> tuple[LatencyEntry, ...]:  # noqa: D102
        return tuple(entry for stage in self.stages for entry in stage.latency_entries())

    def __repr__(self) -> str:
        """Return the latency ledger (`describe`), or the stages and the error."""
        try:
            return describe(self)
        except HearsimError as error:
            return f"<{self.name}: {', '.join(stage.name for stage in self.stages)}; {error}>"

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        self.formats = [fmt]
        for stage in self.stages:
            output = stage.prepare(self.formats[-1])
            upstream = self.formats[-1].upstream_latency + stage.latency
            self.formats.append(replace(output, upstream_latency=upstream))
        return self.formats[-1]

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        for stage in self.stages:
            block = stage.process(block)
        return block


class Parallel(_Composite):
    """The same input through several branches, summed; faster branches wait for the slowest, to the sample.

    Raises `HearsimError` for no branch at all, and for anything but a stage.

    Examples
    --------
    >>> Parallel(Delay(0), Delay(100)).latency
    100
    """

    def __init__(self, *branches: Processor, name: str = "Parallel") -> None:
        if not branches:
            raise HearsimError(f"{name} has no branch: give one stage or more")
        super().__init__(branches, name)

    @property
    def latency(self) -> int:  # noqa: D102
        return self.slowest.latency

    def latency_entries(self) -> tuple[LatencyEntry, ...]:  # noqa: D102
        return self.slowest.latency_entries()

    @property
    def slowest(self) -> Processor:
        """The branch that the others wait for."""
        return max(self.stages, key=lambda branch: branch.latency)

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        outputs = [branch.prepare(fmt) for branch in self.stages]
        if any(output != outputs[0] for output in outputs):
            raise self.refuse(fmt, f"its branches end in different formats: {', '.join(map(str, outputs))}")
        self.matches = [Delay(self.latency - branch.latency) for branch in self.stages]
        for match in self.matches:
            match.prepare(outputs[0])
        self._sum = np.zeros(outputs[0].shape, np.float32)
        return outputs[0]

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        for index, (branch, match) in enumerate(zip(self.stages, self.matches, strict=True)):
            output = match.process(branch.process(block))
            if index == 0:
                self._sum[...] = output
            else:
                with np.errstate(over="ignore", invalid="ignore"):  # invalid samples stay invalid, without a warning
                    self._sum += output
        return self._sum

    def reset(self) -> None:  # noqa: D102
        super().reset()
        for match in self.matches:
            match.reset()


class Reblock(Processor):
    """Run a stage on blocks of its own size behind any host block.

    Costs exactly `block - gcd(block, host block)` samples: the least with which an output block is always
    ready (Neutone SDK and anira come to the same number; tests check it against brute force).

    Raises `HearsimError` for anything but a stage, and for a block that is not a whole number from 1 on.

    Examples
    --------
    >>> stage = Reblock(Delay(0), 512)
    >>> _ = stage.prepare(Format(44100, 2, 128))
    >>> stage.latency
    384
    """

    def __init__(self, stage: Processor, block: int) -> None:
        check_stage("Reblock", stage)
        check_count("Reblock: block", block)
        self.stage = stage
        self.block = block

    @property
    def name(self) -> str:  # noqa: D102
        return f"Reblock to {self.block}"

    @property
    def inside(self) -> Sequence[Processor]:  # noqa: D102
        return (self.stage,)

    @property
    def latency(self) -> int:  # noqa: D102
        return self._added + self.stage.latency

    def latency_entries(self) -> tuple[LatencyEntry, ...]:  # noqa: D102
        return (LatencyEntry(self.name, self._added, "buffering"), *self.stage.latency_entries())

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        self._added = self.block - math.gcd(self.block, fmt.block)
        upstream = fmt.upstream_latency + self._added
        self.format = replace(fmt, block=self.block, upstream_latency=upstream)
        outer = replace(self.stage.prepare(self.format), block=fmt.block)
        room = self.block + fmt.block
        self._waiting = np.zeros((*fmt.shape[:-1], room), np.float32)
        self._ready = np.zeros((*outer.shape[:-1], room + self.block), np.float32)
        self._out = np.zeros(outer.shape, np.float32)
        self._waiting_frames, self._ready_frames = 0, self._added
        return outer

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        frames, size = block.shape[-1], self.block
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
    """Bypass a stage and keep its latency.

    Raises `HearsimError` for anything but a stage.

    Examples
    --------
    >>> Bypass(Delay(100)).name, Bypass(Delay(100)).latency
    ('Delay (bypassed)', 100)
    """

    kind: Kind = "buffering"

    def __init__(self, stage: Processor) -> None:
        check_stage("Bypass", stage)
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
