"""Every Processor keeps the contract of hearsim/processor.py. A new class without a case fails the first test."""

import importlib
import inspect
import pkgutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from cases import CASES

import hearsim
from hearsim.audio import Format
from hearsim.errors import FormatError
from hearsim.processor import Processor

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
            if issubclass(kind, Processor) and not inspect.isabstract(kind) and not kind.__name__.startswith("_"):
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
    frames = 3000
    results = []
    for block in BLOCKS:
        stage, fmt, _ = make(name, block)
        sound = np.concatenate((noise(fmt, frames), np.zeros((*fmt.shape[:-1], stage.latency + block), np.float32)), -1)
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
    """The arrival of an impulse: the first sample within 20 dB of the largest."""
    if name in ("remix", "vent leak", "direct sound", "separator", "hearing loss", "aid", "live path"):
        pytest.skip("masks and slopes smear an impulse: measured by correlation, in test_latency.py")
    stage, fmt, _ = make(name)
    sound = np.zeros((*fmt.shape[:-1], 20 * fmt.block), np.float32)
    sound[..., 300] = 0.01
    response = np.abs(run(stage, sound, fmt.block)).reshape(-1, sound.shape[-1])
    for channel in response:
        assert int(np.argmax(channel >= 0.1 * channel.max())) == 300 + stage.latency


@each
def test_parts_sum_to_latency(name: str) -> None:
    stage, _, _ = make(name)
    assert sum(part.samples for part in stage.parts()) == stage.latency


@each
def test_silence_stays_silent(name: str) -> None:
    stage, fmt, _ = make(name)
    if name != "separator":  # a random network may hum by itself
        np.testing.assert_array_equal(run(stage, noise(fmt, 50 * fmt.block) * 0, fmt.block), 0.0)
    run(stage, noise(fmt, 50 * fmt.block), fmt.block)
    tail = run(stage, np.zeros((*fmt.shape[:-1], 400 * fmt.block), np.float32), fmt.block)[..., -fmt.block :]
    tiny = (np.abs(tail) > 0) & (np.abs(tail) < np.finfo(np.float32).tiny)
    assert not tiny.any()


@each
def test_wrong_format_is_refused_by_name(name: str) -> None:
    stage, fmt, _ = make(name)
    if name in ("delay", "parallel", "reblock"):
        pytest.skip("takes every format")
    wrong = replace(fmt, unit="pa" if fmt.unit == "fs" else "fs")
    if name == "remix":
        wrong = replace(fmt, stems=())
    with pytest.raises(FormatError, match=r"can't take"):
        stage.prepare(wrong)


@each
def test_no_growth(name: str) -> None:
    stage, fmt, _ = make(name)
    sound = noise(fmt, fmt.block)
    count = 300 if name in ("separator", "aid", "live path") else 10_000
    for _ in range(50):
        stage.process(sound)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(count):
        stage.process(sound)
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth < 20_000
