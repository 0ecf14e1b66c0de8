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
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from hearsim.core.audio import Audio, Format
from hearsim.core.errors import FormatError
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
