"""The contract of a stage.

A stage gets its settings from its constructor, is prepared for a `Format`, turns one block into one block of
equal length and declares its latency in samples:

    y[n] answers x[n - latency]

Three kinds of attribute, never mixed: *settings* (those of the constructor), *tables* (derived from settings and
format in `prepare`), *state* (buffers; only `process` and `reset` change them). Settings are fixed: for others, make
another stage. A stage whose settings move during a stream (the gains of `Remix`) documents how and when.
"""

import abc
import inspect
import math
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hearsim.core.arguments import check_kind
from hearsim.core.audio import Audio, Format
from hearsim.core.block_checks import checked_prepare, checked_process, not_prepared
from hearsim.core.errors import FormatError, HearsimError
from hearsim.core.latency import Kind, LatencyEntry, LatencyLedger
from hearsim.core.units import FloatArray

Stage = TypeVar("Stage", bound="Processor")
_OF_PREPARE = {"_input_format", "_output_format", "_block_shape", "_running_thread"}


class Processor(abc.ABC):
    """One stage of the signal path.

    A user's stage needs `process`, and a constructor if it has settings; `hearsim.testing.check_processor`
    tests it. The array that `process` returns belongs to the stage and is valid until its next call: copy it to
    keep it.

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
    _input_format: Format | None = None  # of the latest `prepare`
    _output_format: Format | None = None
    _block_shape: tuple[int, ...] | None = None
    _running_thread: int | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Wrap `prepare` and `process` with checks of their arguments; see `hearsim.core.block_checks`."""
        super().__init_subclass__(**options)
        if "prepare" in vars(cls):
            cls.prepare = checked_prepare(cls.prepare)  # type: ignore[method-assign]
        if "process" in vars(cls):
            cls.process = checked_process(cls.process)  # type: ignore[method-assign, assignment]

    if not TYPE_CHECKING:  # a type checker would accept any attribute

        def __getattr__(self, attribute: str) -> object:
            """Raise `NotPreparedError` for an attribute that `prepare` sets."""
            if self._input_format is None and not attribute.startswith("__"):
                raise not_prepared(self)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {attribute!r}")

    def __repr__(self) -> str:
        """Return the stage with its settings: the arguments of the constructor that it holds under their names."""
        held = {key.removeprefix("_"): value for key, value in vars(self).items()}
        names = [key for key in inspect.signature(type(self)).parameters if key in held]
        return f"{type(self).__name__}({', '.join(f'{key}={reprlib.repr(held[key])}' for key in names)})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a copy in another process, which must be prepared again."""
        return {key: value for key, value in vars(self).items() if key not in _OF_PREPARE}

    @property
    def default_format(self) -> Format:
        """The format for a description of a stage that is not prepared."""
        return Format(44100, 2, 512)

    @property
    def name(self) -> str:
        """The name under which tables and error messages list this stage."""
        return type(self).__name__

    @checked_prepare
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
        """Delay in samples, valid after `prepare`; 0 unless a stage declares another."""
        return 0

    @property
    def non_finite(self) -> tuple[int, ...]:
        """Invalid samples per channel (NaN, Inf, too large) replaced by silence since the last reset.

        Empty for stages that pass invalid samples like any other.
        """
        return ()

    @property
    def inside(self) -> Sequence["Processor"]:
        """The stages that this one is made of, in path order; empty for all but composites."""
        return ()

    def latency_entries(self) -> tuple[LatencyEntry, ...]:
        """Return the rows of the latency ledger; their samples sum to `latency`."""
        return (LatencyEntry(self.name, self.latency, self.kind),)

    def refuse(self, fmt: Format, why: str) -> FormatError:
        """Return the error for a format this stage can't take: its name, the format, the reason."""
        return FormatError(f"{self.name} can't take {fmt}: {why}")


def render(chain: Processor, audio: Audio, block: int = 512) -> Audio:
    """Run audio through a chain offline: pad by its latency, run, trim.

    Parameters
    ----------
    chain
        Any stage; it is prepared for the audio's format.
    audio
        Audio (channels, frames) in full scale.
    block
        The host block in samples. The output does not depend on it.

    Returns
    -------
    Audio
        The output, of the same length and aligned with the input.

    Raises
    ------
    HearsimError
        Where `chain` is not a stage or `audio` not an `Audio`, or (`FormatError`) a stage refuses the format.

    Examples
    --------
    >>> from hearsim.core.composites import Delay
    >>> song = Audio(np.zeros((2, 1000), np.float32), 44100)
    >>> render(Delay(100), song).samples.shape
    (2, 1000)
    """
    check_stage("render", chain)
    is_path = isinstance(audio, str | Path)
    cure = f"read it with hearsim.read({str(audio)!r})" if is_path else "make one with Audio.from_array(array, rate)"
    check_kind("render takes an Audio", audio, Audio, cure)
    if audio.samples.ndim != 2:
        raise HearsimError(f"render takes a sound (channels, frames), not {len(audio.samples)} stems: give their sum")
    fmt = chain.prepare(Format(audio.rate, audio.channels, block))
    total = audio.frames + chain.latency
    padded = np.zeros((audio.channels, math.ceil(total / block) * block), np.float32)
    padded[:, : audio.frames] = audio.samples
    output = np.empty((*fmt.shape[:-1], padded.shape[-1]), np.float32)
    for start in range(0, padded.shape[-1], block):
        output[..., start : start + block] = chain.process(padded[:, start : start + block])
    return Audio(output[..., chain.latency : total].copy(), audio.rate)


def check_stage(caller: str, chain: object) -> None:
    """Raise `HearsimError` for anything but a stage."""
    cure = f"{chain.__name__}(...)" if isinstance(chain, type) else "hearsim.hearing_aid(profile)"
    check_kind(f"{caller} takes a stage or chain of stages", chain, Processor, f"give {cure}")


def latency_ledger(chain: Processor, fmt: Format | None = None) -> LatencyLedger:
    """Return the declared latency ledger of a chain.

    Parameters
    ----------
    chain
        Any stage.
    fmt
        The format to prepare it for, which resets it. Without it the ledger is that of the prepared chain;
        one that is not is prepared for its default format: 44.1 kHz stereo, and an aid's own block, 512 for others.

    Raises
    ------
    HearsimError
        For anything but a stage, and (`FormatError`) where a stage refuses the format.

    Examples
    --------
    >>> from hearsim.core.composites import Delay
    >>> ledger = latency_ledger(Delay(369), Format(44100, 2, 512))
    >>> ledger.total_samples, ledger.processing_samples, round(ledger.total_ms, 2)
    (881, 369, 19.98)
    """
    check_stage("latency_ledger", chain)
    return LatencyLedger.of(_prepared(chain, fmt)[0], chain.latency_entries())


def describe(chain: Processor, fmt: Format | None = None) -> str:
    """Return a chain's formats and its latency ledger as text; parameters and errors as in `latency_ledger`.

    Examples
    --------
    >>> from hearsim.core.composites import Chain, Delay
    >>> print(describe(Chain(Delay(44))).splitlines()[3])
    Delay                       buffering   declared       44   1.00   12.61
    """
    check_stage("describe", chain)
    before, after = _prepared(chain, fmt)
    return f"{chain.name}: {before} -> {after}\n{latency_ledger(chain)}"


def _prepared(chain: Processor, fmt: Format | None) -> tuple[Format, Format]:
    """Return the formats of input and output; prepares a chain for `fmt`, or where it is not prepared yet."""
    if fmt is not None or chain._input_format is None or chain._output_format is None:
        fmt = fmt or chain.default_format
        return fmt, chain.prepare(fmt)
    return chain._input_format, chain._output_format


def walk(stage: Processor) -> Sequence[Processor]:
    """Return a stage and all stages inside it, in path order."""
    return [stage, *(one for child in stage.inside for one in walk(child))]


def find(stage: Processor, kind: type[Stage]) -> Stage:
    """Return the first stage of a kind in a chain, in path order; raises `HearsimError` without one.

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
