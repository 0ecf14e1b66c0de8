"""The law of every network, with random weights: streaming equals the whole pass, late by window - hop."""

import numpy as np
import pytest
import torch

from hearsim.audio import Format
from hearsim.runtime.torch_step import TorchStep
from hearsim.separation.hs_tasnet import FULL, LITE, SMALL, HSTasNet, HSTasNetConfig
from hearsim.separation.stage import Separator

MONO = HSTasNetConfig(channels=1, units=48, layers=2, bases=32, fusion="full", bands=64)


def net_of(config: HSTasNetConfig) -> HSTasNet:
    torch.manual_seed(1)
    net = HSTasNet(config).eval()
    torch.nn.init.normal_(net.decoder.weight, std=0.05)
    return net


@pytest.mark.parametrize("config", [FULL, SMALL, LITE, MONO], ids=["full", "small", "lite", "mono"])
def test_streaming_equals_forward(config: HSTasNetConfig) -> None:
    net = net_of(config)
    mix = 0.3 * torch.randn(1, config.channels, 12 * net.hop)
    with torch.no_grad():
        whole = net(mix)
    late = net.latency
    streamed = net.stream(torch.nn.functional.pad(mix, (0, late)))[..., late:]
    assert whole.abs().max() > 0.05
    torch.testing.assert_close(streamed, whole, atol=1e-5, rtol=0)


def test_the_future_is_not_heard() -> None:
    net = net_of(LITE)
    mix = 0.3 * torch.randn(1, 2, 12 * net.hop)
    other = mix.clone()
    other[..., 8 * net.hop :] = torch.randn_like(other[..., 8 * net.hop :])
    with torch.no_grad():
        known = 8 * net.hop - net.latency  # an output sample needs `latency` samples after it
        torch.testing.assert_close(net(other)[..., :known], net(mix)[..., :known], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("config", "millions"), [(FULL, 42.0), (SMALL, 16.0)], ids=["full", "small"])
def test_sizes_of_the_paper(config: HSTasNetConfig, millions: float) -> None:
    assert HSTasNet(config).parameter_count() / 1e6 == pytest.approx(millions, rel=0.02)


def test_masks_of_one_give_the_mixture_back() -> None:
    """Window, hop and overlap-add are a wire when the spectral mask is 1 and the bases are silent."""
    net = net_of(LITE)
    with torch.no_grad():
        net.spectrum_mask.weight.zero_()
        net.spectrum_mask.bias.fill_(40.0)
        net.decoder.weight.zero_()
        mix = torch.randn(1, 2, 5000)
        torch.testing.assert_close(net(mix)[0, 2], mix[0], atol=1e-5, rtol=0)


def test_the_backend_is_the_network() -> None:
    net = net_of(LITE)
    mix = 0.3 * torch.randn(1, 2, 8 * net.hop)
    step = TorchStep(net)
    for _ in range(2):  # again after a reset
        step.reset()
        hops = [step(mix[0, :, i : i + net.hop].numpy()).copy() for i in range(0, mix.shape[-1], net.hop)]
        np.testing.assert_allclose(np.concatenate(hops, -1), net.stream(mix)[0].numpy(), atol=1e-5)


def test_denormal_numbers_are_left_to_others() -> None:
    net = net_of(LITE)
    TorchStep(net)(np.zeros((2, net.hop), np.float32))
    assert np.float32(1e-40) * np.float32(0.5) > 0.0


class Fragile(HSTasNet):
    """Gives no numbers for frames that hold a sample over full scale."""

    def masked(self, frames: torch.Tensor, memories: tuple[torch.Tensor, ...], scale: torch.Tensor | None = None):  # type: ignore[no-untyped-def]
        found = super().masked(frames, memories, scale)
        return found._replace(spectra=found.spectra / (frames.abs().amax() <= 1.0))


def test_broken_output_is_caught_counted_and_left() -> None:
    """The broken hop is silent, and what follows is as from a network that has just been started."""
    torch.manual_seed(1)
    net = Fragile(LITE).eval()
    stage, fresh = Separator(net), Separator(net)
    for one in (stage, fresh):
        one.prepare(Format(44100, 2, net.hop))
    sound = 0.1 * np.random.default_rng(0).standard_normal((8, 2, net.hop)).astype(np.float32)
    sound[3, 0, 3] = 1.5
    for hop in sound[:3]:
        stage.process(hop)
    np.testing.assert_array_equal(stage.process(sound[3]), 0.0)
    assert stage.non_finite_blocks == 1
    for hop in sound[4:]:
        np.testing.assert_array_equal(stage.process(hop), fresh.process(hop))
    assert stage.non_finite_blocks == 1 and np.abs(stage.process(sound[7])).max() > 0


def test_mono_and_stereo() -> None:
    stage = Separator(net_of(LITE))
    out = stage.prepare(Format(44100, 1, 512))
    assert out.shape == (4, 1, 512)
    sound = 0.1 * np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)
    assert stage.process(sound).shape == (4, 1, 512)
