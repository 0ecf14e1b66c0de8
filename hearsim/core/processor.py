"""The contract of a stage.

A stage is given its settings when it is made, is prepared for a `Format`, turns one block into one block of
equal length and says how many samples late it is:

    y[n] answers x[n - latency]

Three kinds of attribute, never mixed: *settings* (those of the constructor), *tables* (derived from settings and
format in `prepare`), *state* (buffers; only `process` and `reset` change them). Settings are fixed: for others, make
another stage. Where they move during a stream (the gains of `Remix`), the stage says how, and from which sample on.
"""

import abc
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from hearsim.core.audio import Audio, Format
from hearsim.core.errors import FormatError, HearsimError
from hearsim.core.units import FloatArray, samples_to_ms

Kind = Literal["algorithm", "buffering", "device", "acoustics"]
Stage = TypeVar("Stage", bound="Processor")


class Part(NamedTuple):
    """One row of the latency ledger: who is late, by how many samples, and of what kind the delay is."""

    name: str
    samples: int
    kind: Kind


class Processor(abc.ABC):
    """One stage of the signal path.

    A stage of one's own needs `process`, and a constructor where it has settings; `hearsim.testing.check_processor`
    tests it. The array that `process` returns belongs to the stage and is valid until its next call: copy what you
    keep.

    Examples
    --------
    >>> class Gain(Processor):
    ...     def __init__(self, factor: float) -> None:
    ...         self.factor = np.float32(factor)
    ...
    ...     def process(self, block: FloatArray) -> FloatArray:
    ...         return self.factor * block
    >>> render(Gain(2.0), Audio(np.full((2, 3), 0.25, np.float32), 44100)).samples[0].tolist()
    [0.5, 0.5, 0.5]
    """

    kind: Kind = "algorithm"

    @property
    def name(self) -> str:
        """The name under which tables and error messages list this stage."""
        return type(self).__name__

    def prepare(self, fmt: Format) -> Format:
        """Check the format, allocate, derive tables, reset; return the format of the output.

        The only place that refuses a format (`FormatError`). Without a definition of its own a stage takes every
        format, and its output has the same.
        """
        self.reset()
        return fmt

    @abc.abstractmethod
    def process(self, block: FloatArray) -> FloatArray:
        """Turn one block (stems?, channels, frames) into one of equal length.

        Never writes its input; no I/O, no locks, no logging, no growth.
        """

    def reset(self) -> None:  # noqa: B027
        """Return to exactly the state right after `prepare`; nothing to do for a stage without state."""

    @property
    def latency(self) -> int:
        """Delay in samples, valid after `prepare`; 0 unless a stage says otherwise."""
        return 0

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
    """Return the first stage of a kind in a chain, in path order; raises `HearsimError` where there is none.

    >>> from hearsim.core.composites import Chain, Delay
    >>> find(Chain(Delay(3), Delay(5)), Delay).latency
    3
    """
    stages = walk(stage)
    for candidate in stages:
        if isinstance(candidate, kind):
            return candidate
    names = ", ".join(candidate.name for candidate in stages)
    raise HearsimError(f"{stage.name} holds no {kind.__name__}; its stages: {names}")
