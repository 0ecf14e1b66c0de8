"""The ear has two inputs and is not a Processor; the laws that apply to it are the same."""

import numpy as np
import pytest
from cases import RATE, quick_profile

from hearsim.core.audio import Format
from hearsim.ear.ear import Ear
from hearsim.ear.hearing_loss import HOP
from hearsim.profile.load import load_listener

BLOCKS = (1, 65, 128, 512, 1024)
FRAMES = 6000
each = pytest.mark.parametrize("profile", ["mild-open", "moderate-vocals-up"], ids=["vented", "closed"])


def ear_of(profile: str, block: int) -> Ear:
    ear = Ear(quick_profile(profile))
    ear.prepare(Format(RATE, 2, block))
    return ear


def inputs(frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    aided, sound = (0.1 * rng.standard_normal((2, 2, frames))).astype(np.float32)
    return aided, sound


def run(ear: Ear, aided: np.ndarray, sound: np.ndarray, block: int) -> np.ndarray:
    whole = -(-aided.shape[1] // block) * block
    pad = ((0, 0), (0, whole - aided.shape[1]))
    aided, sound = np.pad(aided, pad), np.pad(sound, pad)
    parts = [ear.process(aided[:, i : i + block], sound[:, i : i + block]).copy() for i in range(0, whole, block)]
    return np.concatenate(parts, axis=1)


@each
def test_independent_of_the_host_block(profile: str) -> None:
    aided, sound = (np.pad(one, ((0, 0), (0, 3000))) for one in inputs())
    results = []
    for block in BLOCKS:
        ear = ear_of(profile, block)
        results.append(run(ear, aided, sound, block)[:, ear.latency : ear.latency + FRAMES])
    assert np.abs(results[0]).max() > 0
    for block, result in zip(BLOCKS, results, strict=True):
        np.testing.assert_array_equal(result, results[2], err_msg=f"block {block} against 128")


@each
def test_reset_is_fresh(profile: str) -> None:
    aided, sound = inputs()
    ear = ear_of(profile, 128)
    first = run(ear, aided, sound, 128)
    ear.reset()
    np.testing.assert_array_equal(run(ear, aided, sound, 128), first)
    np.testing.assert_array_equal(run(ear_of(profile, 128), aided, sound, 128), first)


@each
def test_silence_stays_silent_and_comes_back(profile: str) -> None:
    ear = ear_of(profile, 128)
    nothing = np.zeros((2, FRAMES), np.float32)
    np.testing.assert_array_equal(run(ear, nothing, nothing, 128), 0.0)
    run(ear, *inputs(), 128)
    np.testing.assert_array_equal(run(ear, nothing, nothing, 128)[:, -1024:], 0.0)


@each
def test_inputs_are_untouched_and_the_length_is_kept(profile: str) -> None:
    ear = ear_of(profile, 128)
    aided, sound = inputs(128)
    before = aided.copy(), sound.copy()
    out = ear.process(aided, sound)
    assert out.shape == (2, 128) and out.dtype == np.float32
    np.testing.assert_array_equal(aided, before[0])
    np.testing.assert_array_equal(sound, before[1])


def test_latency_of_the_ear() -> None:
    """On the aided sound; with a vent on the direct sound, and the aid's comes one block later. For normal ears."""
    block = quick_profile("mild-open").block_samples
    click, nothing = np.zeros((2, 8192), np.float32), np.zeros((2, 8192), np.float32)
    click[:, 1000] = 0.1
    normal = load_listener("normal")
    for profile, aided, sound, extra in (
        ("moderate-vocals-up", click, nothing, 0),
        ("mild-open", nothing, click, 0),
        ("mild-open", click, nothing, block),
    ):
        ear = Ear(quick_profile(profile).model_copy(update={"listener": normal}))
        ear.prepare(Format(RATE, 2, 512))
        response = np.abs(run(ear, aided, sound, 512))
        assert ear.latency == 1024 - HOP
        for channel in response:  # the first sample within 20 dB of the largest: low-passes answer at once, and ring
            assert int(np.argmax(channel >= 0.1 * channel.max())) == 1000 + ear.latency + extra
