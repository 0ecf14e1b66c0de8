"""NaN, Inf and absurd numbers are gone as soon as they have passed: no stage keeps them in mind."""

import warnings

import numpy as np
import pytest
from cases import CASES, GUARDS, PASSES, RATE, REMEMBERED, STEMS, expected, quick_profile, tiny_net
from test_contract import make, noise, run

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.remix import Remix
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.composites import Chain, Reblock
from hearsim.core.processor import find, walk
from hearsim.ear.ear import Ear

BLOCK, FRAMES = 128, 44100
NO_SOUND = (np.nan, np.inf, -np.inf, 3.4e38, -1e30)
PLACES = (1000, 1001, 1127, 1300, 1302)  # two blocks, the last sample of one among them
COUNTED = {"all": 5, "not finite": 3, "none": 0}


def sounds(fmt: Format) -> tuple[np.ndarray, np.ndarray]:
    """A sound with silence at some places, and the same with what is no sound there."""
    good = noise(fmt, FRAMES)
    good[..., PLACES] = 0.0
    bad = good.copy()
    bad.reshape(-1, fmt.channels, FRAMES)[0, -1, PLACES] = NO_SOUND
    return good, bad


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_sound_leaves_no_trace(name: str) -> None:
    stage, fmt, _ = make(name, BLOCK)
    good, bad = sounds(fmt)
    expected_out = run(stage, good, BLOCK)
    stage.reset()
    out = run(stage, bad, BLOCK)
    if name in PASSES or (CASES[name][0] in PASSES and name not in GUARDS):
        harmed = np.flatnonzero((out != expected_out).reshape(-1, out.shape[-1]).any(0))
        assert set(harmed) == {place + stage.latency for place in PLACES}
        assert stage.non_finite == ()
        return
    recovery_ms, counted = expected(GUARDS, name)
    assert np.isfinite(out).all()
    after = max(PLACES) + stage.latency + round(1e-3 * recovery_ms * RATE) if recovery_ms else 0
    assert after < FRAMES - 2000
    np.testing.assert_allclose(out[..., after:], expected_out[..., after:], rtol=0, atol=REMEMBERED.get(name, 0.0))
    assert sum(sum(one.non_finite) for one in walk(stage)) == COUNTED[counted]
    stage.reset()
    assert sum(sum(one.non_finite) for one in walk(stage)) == 0


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("value", [np.inf, 3.4e38])
def test_nothing_is_said_about_it(name: str, value: float) -> None:
    """Sums and products of what is no sound overflow without a warning: there is no logging in `process`."""
    stage, fmt, _ = make(name, BLOCK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(8):
            stage.process(np.full(fmt.shape, value, np.float32))


def test_a_loud_but_possible_sound_is_none_of_it() -> None:
    """120 dB over the rig's full scale stays what it is until the limiter: nothing is taken for no sound."""
    stage, fmt, _ = make("to pascal", BLOCK)
    loud = np.full(fmt.shape, 1e5, np.float32)  # 94 dB SPL is 1 Pa
    out = stage.process(loud)
    assert stage.non_finite == (0, 0)
    np.testing.assert_allclose(out, 1e5, rtol=1e-2)


def test_a_network_that_breaks_starts_anew_behind_reblock_and_remix() -> None:
    """Its memory turns to NaN: one hop of stems is missing, then all is as from the start."""
    path = Chain(Reblock(Separator(tiny_net()), 64), Remix({"vocals": 2.0, "drums": 0.0}))
    fresh = Chain(Reblock(Separator(tiny_net()), 64), Remix({"vocals": 2.0, "drums": 0.0}))
    fmt = Format(RATE, 2, 64)
    path.prepare(fmt), fresh.prepare(fmt)
    sound = noise(fmt, 64 * 60)
    run(path, sound[:, : 64 * 20], 64)
    separator = find(path, Separator)
    separator._step._state = tuple(tensor.clone().fill_(float("nan")) for tensor in separator._step._state)
    np.testing.assert_array_equal(path.process(sound[:, 64 * 20 : 64 * 21]), 0.0)
    assert separator.non_finite_blocks == 1
    np.testing.assert_array_equal(run(path, sound[:, 64 * 21 :], 64), run(fresh, sound[:, 64 * 21 :], 64))
    assert separator.non_finite_blocks == 1


@pytest.mark.parametrize("profile", ["mild-open", "moderate-vocals-up"])
def test_the_ear_recovers(profile: str) -> None:
    ear, fmt = Ear(quick_profile(profile)), Format(RATE, 2, BLOCK)
    ear.prepare(fmt)
    good, bad = sounds(fmt)
    results = []
    for sound in (good, bad):
        ear.reset()
        pairs = [sound[:, start : start + BLOCK] for start in range(0, FRAMES - BLOCK, BLOCK)]
        results.append(np.concatenate([ear.process(0.5 * block, block).copy() for block in pairs], -1))
    np.testing.assert_array_equal(results[1], results[0])
    assert np.abs(results[0]).max() > 0


def test_stems_of_the_tiny_network_say_something() -> None:
    """Else the tests above would compare silence with silence."""
    assert len(STEMS) == 4
    path = hearing_aid(quick_profile("asymmetric-instrumental")).stages[0]
    fmt = Format(RATE, 2, 64)
    path.prepare(fmt)
    sound = noise(fmt, 64 * 100)
    out = run(path, sound, 64)[:, path.latency :]
    assert np.abs(out - sound[:, : out.shape[1]]).max() > 0.01
