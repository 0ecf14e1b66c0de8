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
from hearsim.core.probing import measure, probe_latency
from hearsim.core.processor import Processor
from hearsim.testing.processors import BLOCKS, check_latency, check_processor, run
from hearsim.testing.processors import moving_noise as noise

each = pytest.mark.parametrize("name", CASES)


def make(name: str, block: int = 128) -> tuple[Processor, Format, Format]:
    _, build, form = CASES[name]
    stage = build()
    fmt = form(block)
    return stage, fmt, stage.prepare(fmt)


def test_every_processor_has_a_case() -> None:
    found = set()
    for module in pkgutil.walk_packages(hearsim.__path__, "hearsim."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Processor) and not inspect.isabstract(kind):
                found.add(kind)
    assert found - {kind for kind, _, _ in CASES.values()} == set()


@each
def test_the_contract(name: str) -> None:
    """Output blocks, reset, ledger rows, host blocks: those checks that users have, with their stages, too."""
    _, build, form = CASES[name]
    check_processor(build, form(128), blocks=BLOCKS, measures_latency=False)


@each
def test_declared_latency_is_measured(name: str) -> None:
    """By an impulse and a chirp through every way and channel; a network is opened for them."""
    _, build, form = CASES[name]
    for block in (100, 128):
        stage, fmt = build(), form(block)
        if name in ONE_PROBE:
            found = probe_latency(stage, fmt)
            assert getattr(found, ONE_PROBE[name]) == {fmt.block + stage.latency}
        else:
            check_latency(stage, fmt)
            assert measure(stage, fmt) == fmt.block + stage.latency


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
