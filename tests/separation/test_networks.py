"""The law of every network, with random weights: streaming equals the whole pass, late by window - hop."""

import numpy as np
import pytest
import torch
from nets import CONFIGS, SHARED, WITH_CONVOLUTIONS, net_of

from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.separation.backends.torch_cpu import TorchStep, trace
from hearsim.separation.framing import inverse_spectrum
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.net import MaskEstimate, NetConfig
from hearsim.separation.registry import SYSTEMS, build
from hearsim.testing import check_separator

each = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@each
def test_the_law(config: NetConfig) -> None:
    """Streaming equals the whole pass, the future is not heard, the aid's compiled step is the network."""
    net = net_of(config)
    assert net.latency == config.hop and net(torch.ones(1, config.channels, 640)).abs().max() > 0.05
    check_separator(net)


@each
def test_pieces_with_carried_state_are_the_whole(config: NetConfig) -> None:
    """What training does: long examples in pieces, the recurrent states carried over."""
    net = net_of(config)
    frames = 0.3 * torch.randn(1, 9, config.channels, config.window)
    with torch.no_grad():
        whole = net.estimate_masks(frames, net.initial_recurrent_states())
        first = net.estimate_masks(frames[:, :4], net.initial_recurrent_states())
        second = net.estimate_masks(frames[:, 4:], first.recurrent_states)
    for one, other, both in zip(first[:3], second[:3], whole[:3], strict=True):
        if both is not None:
            torch.testing.assert_close(torch.cat((one, other), 1), both, atol=1e-5, rtol=1e-5)
    for one, other in zip(whole.recurrent_states, second.recurrent_states, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@each
def test_spectra_and_tails_are_the_same_sound(config: NetConfig) -> None:
    """What a loss may compare, before and after the inverse transform."""
    net = net_of(config)
    with torch.no_grad():
        found = net.estimate_masks(
            0.3 * torch.randn(2, 3, config.channels, config.window), net.initial_recurrent_states(2)
        )
        spectra, synthesis_frames = (
            net.spectra(found, net.spectrum_filters()),
            net.synthesis_frames(found, net.synthesis_filters()),
        )
    waves = inverse_spectrum(spectra, net.window)[..., -net.synthesis_length :] * net.synthesis
    torch.testing.assert_close(waves, synthesis_frames, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "millions"), [("hs-tasnet", 42.0), ("hs-tasnet-small", 16.0), ("x-umx-23ms", 31.5), ("tasnet-23ms", 51.0)]
)
def test_sizes_of_the_paper(name: str, millions: float) -> None:
    with torch.device("meta"):  # sizes without storage
        net = build(SYSTEMS[name])
    assert net.parameter_count() / 1e6 == pytest.approx(millions, rel=0.02)
    assert net.config.live_ms == pytest.approx(23.2, abs=0.05)


def test_six_milliseconds_are_six() -> None:
    assert SYSTEMS["hs-tasnet-lite-6ms"].live_ms == pytest.approx(5.8, abs=0.05)


def test_layers_keep_their_order() -> None:
    """Optimizers keep their states by it: a checkpoint of a run could not be resumed after a change."""
    layers = [name.split(".")[0] for name, _ in net_of(CONFIGS["hs-tasnet"]).named_parameters()]
    assert list(dict.fromkeys(layers)) == [
        *("spectrum_in", "encoder", "basis_in", "spectrum_recurrent", "basis_recurrent"),
        *("fused_recurrent", "mask_recurrent", "spectrum_norm", "basis_norm", "spectrum_mask", "basis_mask", "decoder"),
    ]


def test_masks_of_one_give_the_mixture_back() -> None:
    """Window, hop and overlap-add are a wire when the spectral mask is 1 and the bases are silent."""
    for hop in (64, 16):
        net = net_of(SHARED.model_copy(update={"hop": hop}))
        with torch.no_grad():
            net.spectrum_mask.weight.zero_()
            net.spectrum_mask.bias.fill_(40.0)
            net.decoder.weight.zero_()
            mix = torch.randn(1, 2, 5000)
            torch.testing.assert_close(net(mix)[0, 2], mix[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["hs-tasnet centred", "hs-tasnet centred, complex"])
def test_centred_masks_share_the_mixture_out(name: str) -> None:
    net, mix = net_of(CONFIGS[name]), torch.randn(1, 2, 5000)
    with torch.no_grad():
        stems = net(mix)
    torch.testing.assert_close(stems.sum(1), mix, atol=1e-5, rtol=0)
    assert (stems.std((0, 2, 3)) > 0.05).all()
    with pytest.raises(ValueError, match="masks"):
        HSTasNetConfig(**{**CONFIGS[name].model_dump(), "branch": "waveform"})


def test_complex_masks_turn_phases() -> None:
    """A mask of i on a cosine is minus a sine, where frames overlap."""
    net = net_of(CONFIGS["hs-tasnet complex"])
    with torch.no_grad():
        net.spectrum_mask.weight.zero_()
        bias = net.spectrum_mask.bias.view(4, 2, 2, -1)
        bias[..., 0, :], bias[..., 1, :] = 0.0, 1.0
        net.decoder.weight.zero_()
        turns = 2 * torch.pi * 10 * torch.arange(2000) / 128 + 0.7
        out = net(turns.cos().expand(1, 2, -1))[0, 0, 0]
    torch.testing.assert_close(out[200:1800], -turns.sin()[200:1800], atol=2e-2, rtol=0)


def test_tasnet_masks_share_the_bases_out() -> None:
    net = net_of(CONFIGS["tasnet"])
    frames = torch.randn(1, 3, 2, 128)
    with torch.no_grad():
        found = net.estimate_masks(frames, net.initial_recurrent_states())
        signal, gate = net.encoder(frames.flatten(-2)).chunk(2, -1)
    torch.testing.assert_close(found.weights.sum(2), signal.relu() * gate.sigmoid())


def test_x_umx_crosses_its_parts() -> None:
    """Each stem hears the other parts' layers before and after the recurrent one: that is the X in X-UMX."""
    net = net_of(CONFIGS["x-umx"])
    mix = torch.randn(1, 2, 1000)
    with torch.no_grad():
        before = net(mix)[0, 0]
        for layer in ("input", "recurrent"):
            other = net_of(CONFIGS["x-umx"])
            next(getattr(other.parts[3], layer).parameters()).zero_()
            assert (other(mix)[0, 0] - before).abs().max() > 1e-3


def test_denormal_numbers_are_left_to_others() -> None:
    net = net_of(SHARED)
    TorchStep(trace(net))(np.zeros((2, net.hop), np.float32))
    assert np.float32(1e-40) * np.float32(0.5) > 0.0


def test_the_step_of_the_aid_carries_its_state_and_forgets_it_at_a_reset() -> None:
    net = net_of(SHARED)
    step, mix = TorchStep(trace(net)), 0.3 * torch.randn(1, 2, 8 * net.hop)
    with torch.no_grad():
        expected = net.stream(mix)[0].numpy()
    for _ in range(2):
        hops = [step(mix[0, :, at : at + net.hop].numpy()).copy() for at in range(0, mix.shape[-1], net.hop)]
        np.testing.assert_allclose(np.concatenate(hops, axis=-1), expected, atol=1e-5)
        step.reset()


class Fragile(HSTasNet):
    """Gives no numbers for frames that hold a sample over full scale."""

    def estimate_masks(self, frames: torch.Tensor, recurrent_states: tuple[torch.Tensor, ...]) -> MaskEstimate:
        found = super().estimate_masks(frames, recurrent_states)
        return found._replace(masks=found.masks / (frames.abs().amax() <= 1.0))


def test_broken_output_is_caught_counted_and_left() -> None:
    """The broken hop is silent, and what follows is as from a network that has just been started."""
    torch.manual_seed(1)
    net = Fragile(SHARED).eval()
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
    stage = Separator(net_of(SHARED))
    out = stage.prepare(Format(44100, 1, 64))
    assert out.shape == (4, 1, 64)
    sound = 0.1 * np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    assert stage.process(sound).shape == (4, 1, 64)


def test_convolutions_change_nothing_at_the_start_of_training() -> None:
    with_convolutions = build(WITH_CONVOLUTIONS).eval()
    without = build(WITH_CONVOLUTIONS.model_copy(update={"conv_channels": 0})).eval()
    missing, unexpected = with_convolutions.load_state_dict(without.state_dict(), strict=False)
    assert missing and all(key.startswith("refinement.") for key in missing) and not unexpected
    mix = 0.3 * torch.randn(1, 2, 1000)
    with torch.no_grad():
        torch.testing.assert_close(with_convolutions(mix), without(mix), atol=0, rtol=0)
        with_convolutions.refinement.last.weight.normal_()
        assert (with_convolutions(mix) - without(mix)).abs().max() > 1e-3


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    net = net_of(CONFIGS["ensemble asymmetric"])
    mix = 0.3 * torch.randn(1, 2, 1000)
    with torch.no_grad():
        mean = torch.stack([member(mix) for member in net.members]).mean(0)
        assert mean.abs().max() > 0.05
        torch.testing.assert_close(net(mix), mean, atol=1e-6, rtol=1e-5)
