"""Composites against brute force, and the wire: a flat mix with a bypassed aid."""

import numpy as np
import pytest

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Audio, Format
from hearsim.core.composites import Bypass, Delay, Parallel, Reblock
from hearsim.core.processor import render
from hearsim.profile.load import load_profile


@pytest.mark.parametrize("model", [64, 100, 512])
@pytest.mark.parametrize("host", [1, 48, 64, 65, 441, 512, 1000])
def test_reblock_waits_no_longer_than_it_must(model: int, host: int) -> None:
    """The least delay with which model-sized blocks can be served to host-sized ones, found by simulation."""
    least = 0
    for come in range(host, host * model * 2, host):  # after each host block, `come` samples are in
        ready = come // model * model
        least = max(least, come - ready)
    stage = Reblock(Delay(0), model)
    stage.prepare(Format(44100, 2, host))
    assert stage.latency == least


def test_flat_mix_with_bypassed_aid_is_a_wire() -> None:
    rng = np.random.default_rng(0)
    song = Audio((0.5 * rng.standard_normal((2, 20000))).astype(np.float32), 44100)
    song.samples[0, 50] = -0.0
    for bypass in ({"compensation", "limit"}, {"separation", "compensation", "limit"}):
        out = render(hearing_aid(load_profile("flat"), bypass), song)
        np.testing.assert_array_equal(out.samples.view(np.int32), song.samples.view(np.int32))


def test_bypass_keeps_the_latency() -> None:
    fmt = Format(44100, 2, 512)
    whole, bare = (
        hearing_aid(load_profile("flat")),
        hearing_aid(load_profile("flat"), {"separation", "limit"}),
    )
    whole.prepare(fmt)
    bare.prepare(fmt)
    assert whole.latency == bare.latency == 556


def test_parallel_aligns_its_branches() -> None:
    sound = Audio(np.arange(1, 601, dtype=np.float32).reshape(2, 300), 44100)
    out = render(Parallel(Delay(0), Delay(9), Bypass(Delay(4))), sound, block=64)
    np.testing.assert_array_equal(out.samples, 3 * sound.samples)
