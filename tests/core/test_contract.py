"""Every Processor keeps the contract of hearsim/core/processor.py. A new class without a case fails the first test."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from cases import CASES, ONE_PROBE

import hearsim
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.latency import heard, measure
from hearsim.core.processor import Processor

BLOCKS = (1, 64, 65, 128, 441, 512, 513, 1024)
each = pytest.mark.parametrize("name", CASES)


def make(name: str, block: int = 128) -> tuple[Processor, Format, Format]:
    _, build, form = CASES[name]
    stage = build()
    fmt = form(block)
    return stage, fmt, stage.prepare(fmt)


def noise(fmt: Format, frames: int, seed: int = 0) -> np.ndarray:
    scale = 0.3 * np.random.default_rng(seed + 1).random(frames) ** 4  # quiet and loud, so that levels move
    shape = (*fmt.shape[:-1], frames)
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def run(stage: Processor, sound: np.ndarray, block: int) -> np.ndarray:
    """All of a sound in blocks; the rest of the last block is silence."""
    whole = -(-sound.shape[-1] // block) * block
    padded = np.zeros((*sound.shape[:-1], whole), np.float32)
    padded[..., : sound.shape[-1]] = sound
    parts = [stage.process(padded[..., start : start + block]).copy() for start in range(0, whole, block)]
    return np.concatenate(parts, axis=-1)


def test_every_processor_has_a_case() -> None:
    found = set()
    for module in pkgutil.walk_packages(hearsim.__path__, "hearsim."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Processor) and not inspect.isabstract(kind):
                found.add(kind)
    assert found - {kind for kind, _, _ in CASES.values()} == set()


@each
def test_equal_length_and_input_untouched(name: str) -> None:
    stage, fmt, out = make(name)
    sound = noise(fmt, fmt.block)
    before = sound.copy()
    result = stage.process(sound)
    assert result.shape == out.shape and result.dtype == np.float32
    np.testing.assert_array_equal(sound, before)


@each
def test_independent_of_the_host_block(name: str) -> None:
    frames, silent = 3500, 1500  # silence too: what rings out, and what is flushed, must not depend on it
    results = []
    for block in BLOCKS:
        stage, fmt, _ = make(name, block)
        rest = np.zeros((*fmt.shape[:-1], silent + stage.latency + block), np.float32)
        sound = np.concatenate((noise(fmt, frames - silent), rest), -1)
        results.append(run(stage, sound, block)[..., stage.latency : stage.latency + frames])
    for block, result in zip(BLOCKS, results, strict=True):
        np.testing.assert_array_equal(result, results[3], err_msg=f"block {block} against 128")


@each
def test_reset_is_fresh_and_deterministic(name: str) -> None:
    stage, fmt, _ = make(name)
    sound = noise(fmt, 40 * fmt.block)
    first = run(stage, sound, fmt.block)
    stage.reset()
    np.testing.assert_array_equal(run(stage, sound, fmt.block), first)
    other, _, _ = make(name)
    np.testing.assert_array_equal(run(other, sound, fmt.block), first)


@each
def test_declared_latency_is_measured(name: str) -> None:
    """By an impulse and a chirp through every way and channel; a network is opened for them."""
    _, build, form = CASES[name]
    for block in (100, 128):
        stage, fmt = build(), form(block)
        found = heard(stage, fmt)
        live = fmt.block + stage.latency
        if name in ONE_PROBE:
            assert getattr(found, ONE_PROBE[name]) == {live}
        else:
            assert found.agreed == measure(stage, fmt) == live


@each
def test_parts_sum_to_latency(name: str) -> None:
    stage, _, _ = make(name)
    assert sum(part.samples for part in stage.parts()) == stage.latency


@each
def test_silence_stays_silent(name: str) -> None:
    stage, fmt, _ = make(name)
    if CASES[name][0] is not Separator and name != "aid":  # a random network may hum by itself
        np.testing.assert_array_equal(run(stage, noise(fmt, 50 * fmt.block) * 0, fmt.block), 0.0)
    run(stage, noise(fmt, 50 * fmt.block), fmt.block)
    tail = run(stage, np.zeros((*fmt.shape[:-1], 400 * fmt.block), np.float32), fmt.block)[..., -fmt.block :]
    tiny = (np.abs(tail) > 0) & (np.abs(tail) < np.finfo(np.float32).tiny)
    assert not tiny.any()


def test_silence_ahead_of_sound_leaves_no_trace_in_the_compensation() -> None:
    """How much there is depends on the host block (`Reblock`): a last bit would differ now and then."""
    stage, fmt, _ = make("compensation")
    kept = stage._detector_state.copy(), stage._sections.copy()  # type: ignore[attr-defined]
    run(stage, np.zeros((2, 40 * fmt.block), np.float32), fmt.block)
    np.testing.assert_array_equal(stage._detector_state, kept[0])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(stage._sections, kept[1])  # type: ignore[attr-defined]
