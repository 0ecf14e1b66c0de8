"""Moves against a slow reference that walks sample by sample; the remix with moves, whatever the host block."""

import numpy as np
import pytest

from hearsim.aid.remix import Remix
from hearsim.core.audio import Format
from hearsim.core.composites import Delay, Reblock
from hearsim.dsp.ramps import Ramp

MOVES = ((40, [1.0], 100), (90, [-2.0], 30), (90, [0.5], 7), (400, [0.5], 50), (401, [0.0], 1))


def walked(start: int, stop: int) -> np.ndarray:
    """One sample after the other: each move a straight line from the value before it."""
    value, line, found = 3.0, [], []
    for sample in range(start, stop):
        for at, (target,), ramp in MOVES:
            if at == sample:
                line = [value + (target - value) * step / ramp for step in range(1, ramp)] + [target]
        if line:
            value = line.pop(0)
        found.append(value)
    return np.array(found)


def glided(block: int) -> np.ndarray:
    glide = Ramp(np.array([3.0]), -16)
    for at, target, ramp in MOVES:
        assert glide.move(np.array(target), at, ramp) == at
    found = np.empty(640)
    for start in range(0, 640, block):
        for part, values in glide.segments(block):
            found[start:][part] = values[0]
    return found


@pytest.mark.parametrize("block", [1, 5, 64, 640])
def test_glide_is_the_walk(block: int) -> None:
    np.testing.assert_allclose(glided(block), walked(-16, 624), atol=1e-12)
    np.testing.assert_array_equal(glided(block), glided(640))


def test_moves_come_in_order_and_never_in_the_past() -> None:
    glide = Ramp(np.zeros(1))
    glide.segments(100)
    assert glide.move(np.ones(1), 30, 10) == 100
    assert glide.move(np.ones(1), 200, 10) == 200
    assert not glide.is_settled
    with pytest.raises(ValueError, match="in order"):
        glide.move(np.ones(1), 150, 10)


def remixed(block: int, frames: int = 4096) -> np.ndarray:
    """A remix behind a delay and a Reblock, with moves at samples of the source; aligned with the source."""
    stems = ("vocals", "drums")
    sound = np.random.default_rng(1).standard_normal((2, 2, frames)).astype(np.float32)
    path = Reblock(Delay(31), 96)
    path.prepare(Format(44100, 2, block, stems))
    remix = Remix({"vocals": 1.0, "drums": 1.0})
    remix.prepare(Format(44100, 2, block, stems, upstream_latency=path.latency))
    assert remix.now == -path.latency
    for at, vocals in ((700, 2.0), (1000, 0.0), (1100, 1.0), (3000, 0.5)):
        assert remix.configure({"vocals": vocals, "drums": 1.0}, at) == at
    padded = np.concatenate((sound, np.zeros((2, 2, 2048), np.float32)), -1)
    blocks = [
        remix.process(path.process(padded[..., start : start + block])).copy()
        for start in range(0, padded.shape[-1] - block + 1, block)
    ]
    return np.concatenate(blocks, -1)[:, path.latency : path.latency + frames]


@pytest.mark.parametrize("block", [1, 64, 441, 512, 1024])
def test_moves_of_the_remix_land_on_their_sample_whatever_the_host_block(block: int) -> None:
    out = remixed(block)
    np.testing.assert_array_equal(out, remixed(128))
    assert np.flatnonzero(out[0])[[0, -1]].tolist() == [700, 4095]  # the first sample heard is the one named
    assert not out[:, 1100 + 441 : 3000].any()  # and 0 dB is bit-transparent again after the ramp of 10 ms
