"""Whether a stage keeps the contract of `hearsim.core.processor`."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from hearsim.core.arguments import check_kind
from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.probing import probe_latency
from hearsim.core.processor import Processor, check_stage
from hearsim.core.units import FloatArray

BLOCKS = (1, 64, 65, 128, 441, 512, 513, 1024)
"""Host blocks, small and large, of two and of other primes."""


def check_processor(
    stage: Processor | Callable[[], Processor],
    fmt: Format | None = None,
    *,
    blocks: Sequence[int] = BLOCKS,
    frames: int = 3500,
    measures_latency: bool = True,
) -> None:
    """Raise `AssertionError`, with one sentence, where a stage does not keep the contract.

    Checked are: output blocks of the announced shape in float32, the input untouched; the same output for every host
    block; after `reset` the state right after `prepare`; ledger rows that sum to the latency; and a latency that an
    impulse and a chirp confirm.

    Parameters
    ----------
    stage : Processor, or a function that returns one
        A function is called for each check: give one where a stage changes its settings while it runs.
    fmt : Format
        The format for it. Default: 44.1 kHz, stereo, full scale, blocks of 128.
    blocks : sequence of int
        The host blocks for which the output must be the same. Give one alone for a stage that works on blocks of one
        size; `Reblock` runs it behind all others.
    frames : int
        Samples of test sound: noise whose level moves, then silence.
    measures_latency : bool
        False for a stage through which neither probe passes: one that generates sound, or removes most of it.

    Raises
    ------
    AssertionError
        The stage does not keep the contract.
    HearsimError
        `stage` is none, or refuses the format.

    Examples
    --------
    >>> from hearsim.core.composites import Delay
    >>> check_processor(Delay(37))
    >>> class Forgetful(Delay):
    ...     def reset(self) -> None:
    ...         pass
    >>> check_processor(Forgetful(37))
    Traceback (most recent call last):
    AssertionError: Delay: its output after reset differs: reset must return to the state of prepare
    """
    make = stage if not isinstance(stage, Processor) and callable(stage) else lambda: stage
    check_stage("check_processor", make())
    form = Format(44100, 2, 128) if fmt is None else fmt
    check_kind("check_processor: fmt must be a Format", form, Format, "give Format(44100, 2, 128)")
    formats = [replace(form, block=block) for block in blocks]
    own = form if form.block in blocks else formats[0]
    check_block(make(), own)
    check_reset(make, own)
    check_host_blocks(make, formats, frames)
    if measures_latency:
        for one in formats[:1] if len(formats) == 1 else (replace(form, block=block) for block in (100, 128)):
            check_latency(make(), one)


def check_block(stage: Processor, fmt: Format) -> None:
    """Check one block: shape and type of the output, the input untouched."""
    output = stage.prepare(fmt)
    sound = moving_noise(fmt, fmt.block)
    before = sound.copy()
    result: object = stage.process(sound)
    if not isinstance(result, np.ndarray) or result.dtype != np.float32:
        output_type = result.dtype if isinstance(result, np.ndarray) else type(result).__name__
        raise AssertionError(f"{stage.name}: process returned {output_type}: return float32, like the block")
    if result.shape != output.shape:
        promise = f"and prepare announced {output} {output.shape}"
        raise AssertionError(f"{stage.name}: process returned the shape {result.shape}, {promise}")
    if not np.array_equal(sound, before):
        raise AssertionError(f"{stage.name}: process changed its input block: write to an array of its own")


def check_reset(make: Callable[[], Processor], fmt: Format) -> None:
    """Check that a stage after `reset` is one that has just been prepared."""
    stage = make()
    stage.prepare(fmt)
    sound = moving_noise(fmt, 40 * fmt.block)
    first = run(stage, sound, fmt.block)
    stage.reset()
    if not np.array_equal(run(stage, sound, fmt.block), first):
        raise AssertionError(f"{stage.name}: its output after reset differs: reset must return to the state of prepare")
    other = make()
    other.prepare(fmt)
    if not np.array_equal(run(other, sound, fmt.block), first):
        raise AssertionError(f"{stage.name}: prepared again its output differs: prepare must begin from silence")


def check_ledger(stage: Processor) -> None:
    """Check that the rows of a prepared stage's ledger sum to the latency, a whole number of samples."""
    latency: object = stage.latency
    if not isinstance(latency, int) or latency < 0:
        raise AssertionError(f"{stage.name}: its latency is {latency!r}: give a whole number of samples from 0 on")
    total = sum(entry.samples for entry in stage.latency_entries())
    if total != latency:
        raise AssertionError(f"{stage.name}: its ledger rows sum to {total} samples, its latency is {latency}")


def check_host_blocks(make: Callable[[], Processor], formats: Sequence[Format], frames: int = 3500) -> None:
    """Check the ledger in each format, and that the output, aligned by the latency, is the same for every block."""
    silent = frames * 3 // 7
    first: FloatArray | None = None
    for fmt in formats:
        stage = make()
        stage.prepare(fmt)
        check_ledger(stage)
        rest = np.zeros((*fmt.shape[:-1], silent + stage.latency + fmt.block), np.float32)
        sound = np.concatenate((moving_noise(fmt, frames - silent), rest), -1)
        result = run(stage, sound, fmt.block)[..., stage.latency : stage.latency + frames]
        first = result if first is None else first
        if not np.array_equal(result, first):
            at = int(np.argmax(np.any(result != first, axis=tuple(range(first.ndim - 1)))))
            raise AssertionError(
                f"{stage.name}: its output for blocks of {fmt.block} and {formats[0].block} differs from sample {at} "
                "on: count samples, not blocks, and declare the latency of each"
            )


def check_latency(stage: Processor, fmt: Format) -> None:
    """Check the declared latency by an impulse and a chirp, through every channel."""
    try:
        measured = probe_latency(stage, fmt)
    except HearsimError as error:
        raise AssertionError(f"{stage.name}: its latency can't be measured: {error}") from None
    declared = fmt.block + stage.latency
    if measured.consistent_delay != declared:
        raise AssertionError(
            f"{stage.name}: it declares {stage.latency} samples of latency, with its input block {declared}; "
            f"measured: {measured}"
        )


def moving_noise(fmt: Format, frames: int, seed: int = 0) -> FloatArray:
    """Return noise (stems?, channels, frames), quiet and loud in turn, so that levels move."""
    scale = 0.3 * np.random.default_rng(seed + 1).random(frames) ** 4
    noise = np.random.default_rng(seed).standard_normal((*fmt.shape[:-1], frames))
    return (noise * scale).astype(np.float32)


def run(stage: Processor, sound: FloatArray, block: int) -> FloatArray:
    """Return the output of a prepared stage for a sound, in blocks; the rest of the last block is silence.

    Raises `AssertionError` where the output for a finite sound is not finite.
    """
    whole = -(-sound.shape[-1] // block) * block
    padded = np.zeros((*sound.shape[:-1], whole), np.float32)
    padded[..., : sound.shape[-1]] = sound
    parts = [stage.process(padded[..., start : start + block]).copy() for start in range(0, whole, block)]
    output = np.concatenate(parts, axis=-1)
    if np.isfinite(sound).all() and not np.isfinite(output).all():
        at = int(np.argmin(np.all(np.isfinite(output), axis=tuple(range(output.ndim - 1)))))
        raise AssertionError(f"{stage.name}: its output is not finite from sample {at} on: return no NaN and no Inf")
    return output
