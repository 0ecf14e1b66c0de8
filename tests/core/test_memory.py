"""What a stage holds: no growth over thousands of blocks, and no denormal number once silence has come."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import CASES, fs, tiny_net
from test_contract import make, noise, run

from hearsim.aid.separator import Separator

each = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module", autouse=True)
def _only_new_objects_are_searched() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def resident_bytes() -> int:
    """Memory of this process, tensors included; 0 where the system has no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())


def block_of(name: str, frames: int) -> int:
    """Return the host block, so that a network of short hops makes as many steps as the others."""
    return frames // 2 if "short hops" in name else frames


NETWORKS = [name for name in CASES if name.startswith("separator") or name in ("aid", "live path")]
LENGTHS = [pytest.param(name, 3000 if name in NETWORKS else 10_000, id=name) for name in CASES]
LONGER = [pytest.param(name, 10_000, id=f"{name}, longer", marks=pytest.mark.slow) for name in NETWORKS]


@pytest.mark.parametrize(("name", "blocks"), LENGTHS + LONGER)
def test_no_growth(name: str, blocks: int) -> None:
    block = block_of(name, 64)
    stage, fmt, _ = make(name, block)
    sound = noise(fmt, block)
    for _ in range(300):
        stage.process(sound)
    held, resident, objects = tensors(), resident_bytes(), sys.getallocatedblocks()
    for _ in range(blocks):
        stage.process(sound)
    assert sys.getallocatedblocks() - objects < 1000  # an object a block would be 3000 or more
    assert tensors() <= held
    assert resident_bytes() - resident < 4e6  # a tensor a block, of one hop of stems, would be 6 MB or more


def arrays(thing: object, seen: set[int], path: str) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of numbers that a stage holds, in itself, its stages and their backends, but no network's weights."""
    if id(thing) in seen or isinstance(thing, torch.nn.Module):
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray | torch.Tensor):
        array = np.asarray(thing)
        if array.dtype.kind == "f":
            yield path, array
    elif isinstance(thing, list | tuple):
        for index, one in enumerate(thing):
            yield from arrays(one, seen, f"{path}[{index}]")
    elif isinstance(thing, dict):
        for key, one in thing.items():
            yield from arrays(one, seen, f"{path}[{key!r}]")
    elif type(thing).__module__.startswith("hearsim."):
        for key, one in vars(thing).items():
            yield from arrays(one, seen, f"{path}.{key}")


@each
def test_no_denormal_numbers_after_sound(name: str) -> None:
    """14 s of silence: the slowest state, a peak detector that falls 27 dB in 50 ms, would be denormal after 11 s.

    A network's are denormal after some hundred hops.
    """
    block = block_of(name, 1024)
    stage, fmt, _ = make(name, block)
    run(stage, noise(fmt, 20 * block), block)
    silence = np.zeros(fmt.shape, np.float32)
    for _ in range(100 if name.startswith("separator") else 600):
        out = stage.process(silence)
    found = dict(arrays(stage, set(), name))
    for where, array in {**found, "output": out}.items():
        least = np.finfo(array.dtype).tiny
        assert not ((array != 0) & (np.abs(array) < least)).any(), f"{where} holds denormal numbers"


def test_the_arrays_of_stages_are_found() -> None:
    """The law above is worth as much as the walk through the attributes."""
    for name, wanted in (
        ("aid", (".stages[2]._detector_state", ".stages[3]._state", "._state[1]", ".matches[0]._line")),
        ("hearing loss", (".stage._overlap",)),
        ("vent leak", ("._state",)),
    ):
        stage, _, _ = make(name)
        found = [where for where, _ in arrays(stage, set(), name)]
        for end in wanted:
            assert any(where.endswith(end) for where in found), (end, found)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is given back by glibc's malloc_trim")
def test_separators_that_are_gone_hold_no_memory() -> None:
    """Of an own network each, as a study of networks makes them; torch would keep 4 MB of every compiled step."""
    for count in (2, 10):
        before = resident_bytes()
        for _ in range(count):
            Separator(tiny_net()).prepare(fs(64))
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
    assert resident_bytes() - before < 10e6
