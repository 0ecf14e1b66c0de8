"""Checks of a stage's input: the format in `prepare`, the block in `process`.

`Processor` wraps the two methods of each of its classes, so that these checks are the same for all stages, those of
users included. A check costs under a microsecond a block and compares the block with the format of
`prepare`; the sentence is made only for a wrong block.
"""

import functools
from collections.abc import Callable
from threading import get_ident
from typing import Any

import numpy as np

from hearsim.core.arguments import array_fault
from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray

_FLOAT32 = np.dtype(np.float32)


class NotPreparedError(HearsimError, AttributeError):
    """An attribute that a stage has only after `prepare` was read before."""


def checked_prepare(prepare: Callable[[Any, Format], Format]) -> Callable[[Any, Format], Format]:
    """Wrap a stage's `prepare`: refuse all but a `Format`, and store it for `checked_process`."""

    @functools.wraps(prepare)
    def checked(stage: Any, fmt: Format) -> Format:
        if not isinstance(fmt, Format):
            raise HearsimError(f"{stage.name}: prepare takes a Format, not {fmt!r}: give Format(44100, 2, 512)")
        attributes = stage.__dict__  # a stage may be a frozen dataclass
        attributes |= {"_input_format": fmt, "_block_shape": fmt.shape}
        try:
            output = attributes["_output_format"] = prepare(stage, fmt)
            return output
        except BaseException:
            attributes |= {"_input_format": None, "_block_shape": None}
            raise

    return checked


def checked_process(process: Callable[[Any, FloatArray], FloatArray]) -> Callable[[Any, FloatArray], FloatArray]:
    """Wrap a stage's `process`: refuse blocks of another type, shape or format, and a second thread."""

    @functools.wraps(process)
    def checked(stage: Any, block: FloatArray) -> FloatArray:
        thread, running = get_ident(), stage._running_thread
        if (
            type(block) is not np.ndarray
            or block.dtype is not _FLOAT32
            or block.shape != stage._block_shape
            or (running is not None and running != thread)
        ) and (refusal := _refusal(stage, block)):
            raise refusal
        attributes = stage.__dict__  # a stage may be a frozen dataclass
        attributes["_running_thread"] = thread
        try:
            return process(stage, block)
        finally:
            attributes["_running_thread"] = running

    return checked


def _refusal(stage: Any, block: object) -> HearsimError | None:
    """Return the error for a block that a stage can't take; None for a subclass of array that it can."""
    fmt: Format | None = stage._input_format
    if fmt is None:
        return not_prepared(stage)
    if fault := array_fault(block, "block"):
        return HearsimError(f"{stage.name}: {fault}")
    shape = getattr(block, "shape", ())
    if shape != fmt.shape:
        cure = f"give arrays {fmt.shape}, or prepare it for others"
        return HearsimError(f"{stage.name} was prepared for {fmt}, and the block has the shape {shape}: {cure}")
    if stage._running_thread not in (None, get_ident()):
        return HearsimError(f"{stage.name} is processing a block in another thread: make a stage for each thread")
    return None


def not_prepared(stage: Any) -> NotPreparedError:
    """Return the error for a stage that is used before `prepare`."""
    return NotPreparedError(
        f"{type(stage).__name__} is not prepared: call prepare(Format(44100, 2, 512)) first, with your rate, channels "
        "and block, or use hearsim.render"
    )
