"""A mono song, as a file of one channel or of two equal ones, is equal in both ears; a stereo one is as before."""

import numpy as np
import pytest
from cases import fs, tiny_net

import hearsim as hs
from hearsim.aid.separator import Separator
from hearsim.separation.backends.torch_cpu import TorchStep, trace

HOP = 64
MONO = np.repeat((0.1 * np.random.default_rng(0).standard_normal((1, 40 * HOP))).astype(np.float32), 2, axis=0)
STEREO = (0.1 * np.random.default_rng(1).standard_normal((2, 40 * HOP))).astype(np.float32)


def separated(sound: np.ndarray) -> np.ndarray:
    separator = Separator(tiny_net())
    separator.prepare(fs(HOP))
    hops = [separator.process(sound[:, i : i + HOP]).copy() for i in range(0, sound.shape[1], HOP)]
    return np.concatenate(hops, axis=-1)


def network(sound: np.ndarray) -> np.ndarray:
    step = TorchStep(trace(tiny_net()))
    return np.concatenate([step(sound[:, i : i + HOP]).copy() for i in range(0, sound.shape[1], HOP)], axis=-1)


def test_a_stereo_song_is_what_the_network_gives() -> None:
    sound = np.concatenate((np.zeros((2, 4 * HOP), np.float32), STEREO), axis=1)
    np.testing.assert_array_equal(separated(sound), network(sound))


def test_a_mono_song_is_equal_in_both_ears() -> None:
    expected = network(MONO)
    assert np.abs(expected[:, 0] - expected[:, 1]).max() > 1e-3  # the network's channels do differ
    stems = separated(MONO)
    np.testing.assert_array_equal(stems[:, 0], stems[:, 1])
    np.testing.assert_allclose(stems[:, 0], expected.mean(axis=1), atol=1e-7)
    listener = hs.Listener.from_thresholds({500: 30, 2000: 50})
    result = hs.listen(hs.Profile(listener, mix={"vocals": 6}, model=tiny_net()), hs.Audio(MONO, 44100))
    for sound in (result.aided, result.heard):
        assert np.abs(sound.samples).max() > 0
        np.testing.assert_array_equal(sound.samples[0], sound.samples[1])
    stem = hs.separate(hs.Audio(MONO, 44100), tiny_net())["vocals"].samples
    np.testing.assert_array_equal(stem[0], stem[1])


@pytest.mark.parametrize("hops", [1, 7])
def test_a_song_that_becomes_stereo_fades_to_the_networks_output_in_one_hop(hops: int) -> None:
    start = hops * HOP
    sound = np.concatenate((MONO[:, :start], STEREO), axis=1)
    stems, expected = separated(sound), network(sound)
    np.testing.assert_array_equal(stems[..., start + HOP :], expected[..., start + HOP :])
    mean = expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(stems[..., start], np.repeat(mean, 2, axis=1)[..., start], atol=1e-7)
    part, fade = slice(start, start + HOP), np.linspace(0, 1, HOP)
    faded = mean[..., part] + fade * (expected - mean)[..., part]
    np.testing.assert_allclose(stems[..., part], faded, atol=1e-6)


def test_reset_begins_anew() -> None:
    separator = Separator(tiny_net())
    separator.prepare(fs(HOP))
    separator.process(STEREO[:, :HOP])
    separator.reset()
    out = separator.process(MONO[:, :HOP])
    np.testing.assert_array_equal(out[:, 0], out[:, 1])
