"""The losses are what they are called, and their gradients, made example by example, those of the plain way."""

import copy
import math

import pytest
import torch
from torch import Tensor

from hearsim.separation import recurrent
from hearsim.separation.framing import inverse_spectrum, spectrum
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.net import MaskEstimate, NetConfig, SeparatorNet
from hearsim.separation.registry import build
from hearsim.separation.tasnet import TasNetConfig
from hearsim.separation.x_umx import XUmxConfig
from hearsim.training.fast_synthesis import BandInterpolation, FastSynthesis
from hearsim.training.losses import Criterion, loss_of, multi_resolution_stft, negative_si_sdr

LITE = HSTasNetConfig(window=128, hop=64, units=16, layers=1, bases=12, fusion="shared", bands=24)
CONFIGS: dict[str, NetConfig] = {
    "symmetric": LITE,
    "asymmetric": LITE.model_copy(update={"hop": 16}),
    "without bands": LITE.model_copy(update={"bands": 0, "fusion": "small"}),
    "complex masks": LITE.model_copy(update={"features": "complex", "hop": 16}),
    "centred": LITE.model_copy(update={"masks": "centred"}),
    "centred, asymmetric": LITE.model_copy(update={"masks": "centred", "hop": 16}),
    "spectrum alone": LITE.model_copy(update={"branch": "spectrum", "hop": 16}),
    "waveform alone": TasNetConfig(window=128, hop=16, bases=24, units=16, layers=1),
    "conv_channels": HSTasNetConfig(
        window=128, hop=64, units=16, layers=1, bases=12, fusion="shared", bands=24, masks="centred", conv_channels=4
    ),
}
CRITERIA: tuple[Criterion, ...] = ("l1", "l1_wave", "multi_resolution_stft", "si_sdr")


def net_of(config: NetConfig) -> SeparatorNet:
    torch.manual_seed(1)
    net = build(config).train()
    if net.decoder is not None:
        torch.nn.init.normal_(net.decoder.weight, std=0.1)
    return net


def stems_of(net: SeparatorNet, pieces: int = 300) -> Tensor:
    torch.manual_seed(2)
    return 0.1 * torch.randn(3, 4, net.channels, net.window - net.hop + pieces * net.hop)


def plain_l1(net: SeparatorNet, stems: Tensor) -> Tensor:
    """Return the mean of |windowed estimate - windowed target|, from the definitions."""
    frames = stems.sum(1).unfold(-1, net.window, net.hop).transpose(1, 2)
    found = net.estimate_masks(frames, net.initial_recurrent_states(len(stems)))
    masks = found.masks if net.spread is None else found.masks @ net.spread
    cut = stems.unfold(-1, net.window, net.hop).permute(0, 3, 1, 2, 4)  # (b, T, stems, c, window)
    parts = found.bins.unflatten(-1, (2, -1)).unsqueeze(2)
    estimate = inverse_spectrum((masks.unsqueeze(-2) * parts).flatten(-2), net.window)  # analysis-windowed
    estimate = estimate + net.decoder(found.weights).unflatten(-1, (net.channels, -1)) * net.analysis
    if net.synthesis_length == net.window:
        difference = spectrum(estimate, torch.ones(net.window)) - spectrum(cut, net.analysis)
    else:
        difference = (estimate - cut * net.analysis)[..., -net.synthesis_length :] * net.synthesis
    scale = 1 / (stems.sum(1).std((1, 2)) + 1e-3)
    return (difference.abs().mean((1, 2, 3, 4)) * scale).mean()


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", ["symmetric", "asymmetric"])
def test_what_is_known_of_a_song_is_compared_alone(name: str, criterion: Criterion) -> None:
    """Of a song of vocals and accompaniment, how the accompaniment is shared out changes nothing."""
    net = net_of(CONFIGS[name])
    stems, states = stems_of(net), net.initial_recurrent_states(3)
    parted = stems.clone()
    parted[1, 3] += parted[1, 1] + parted[1, 2]
    parted[1, 1:3] = 0
    known = torch.tensor([True, False, True])
    losses = [loss_of(net, each, states, torch.float32, criterion, known)[0] for each in (stems, parted)]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    assert abs(loss_of(net, stems, states, torch.float32, criterion)[0] - losses[0]) > 1e-3 * abs(losses[0])
    (gradient,) = torch.autograd.grad(losses[0], [net.spectrum_mask.weight])
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("name", ["symmetric", "asymmetric"])
def test_l1_and_its_gradients_are_those_of_the_definition(name: str) -> None:
    net = net_of(CONFIGS[name])
    twin = copy.deepcopy(net)
    stems = stems_of(net, 20)
    loss, _ = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32)
    expected = plain_l1(twin, stems)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    loss.backward()
    expected.backward()
    for (key, parameter), reference in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(
            parameter.grad, reference.grad, rtol=1e-3, atol=1e-7, msg=lambda m, k=key: f"{k}: {m}"
        )


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_downhill_lowers_every_loss(name: str, criterion: Criterion) -> None:
    net = net_of(CONFIGS[name])
    stems = stems_of(net, 160)
    before, recurrent_states = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32, criterion)
    assert all(torch.isfinite(state).all() for state in recurrent_states)
    before.backward()
    slope = sum(float(p.grad.square().sum()) for p in net.parameters())
    step = 1e-3 * abs(before.item()) / slope
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.sub_(step * parameter.grad)
    after, _ = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32, criterion)
    assert (before - after).item() == pytest.approx(1e-3 * abs(before.item()), rel=0.2)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", [*CONFIGS, "x-umx"])
def test_silence_has_a_gradient_of_numbers(name: str, criterion: Criterion) -> None:
    """A track that has ended, or begins late: estimates and targets are both zero."""
    net = net_of({**CONFIGS, "x-umx": XUmxConfig(window=128, hop=64, units=16, layers=1)}[name])
    stems = stems_of(net, 160)
    stems[1] = 0.0
    loss, _ = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32, criterion)
    loss.backward()
    assert torch.isfinite(loss)
    for key, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", CONFIGS)
def test_synthesis_for_training_is_that_of_the_network(name: str) -> None:
    net = net_of(CONFIGS[name])
    mix = stems_of(net, 12).sum(1)
    with torch.no_grad():
        found = net.estimate_masks(mix.unfold(-1, net.window, net.hop).transpose(1, 2), net.initial_recurrent_states(3))
        one = MaskEstimate(*(None if part is None else part[0] for part in found[:3]), ())
        half = MaskEstimate(*(None if part is None else part.bfloat16() for part in one[:3]), ())
        for way, filters in (("synthesis_frames", net.synthesis_filters()), ("spectra", net.spectrum_filters())):
            exact = getattr(net, way)(one, filters)
            torch.testing.assert_close(getattr(FastSynthesis(net, torch.float32), way)(one, filters), exact)
            coarse = getattr(FastSynthesis(net, torch.bfloat16), way)(half, filters).float()
            assert float((coarse - exact).norm() / exact.norm()) < 0.02


def test_spreading_masks_over_bins_is_the_matrix() -> None:
    net = net_of(LITE)
    spread, masks, grad = BandInterpolation(net.spread, torch.float32), torch.rand(5, 24), torch.rand(5, 65)
    torch.testing.assert_close(spread(masks), masks @ net.spread)
    torch.testing.assert_close(spread.transposed(grad), grad @ net.spread.T)


def test_a_processor_without_bfloat16_keeps_the_recurrent_layers_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """OneDNN has no LSTM in bfloat16 below AVX-512, and says so with an error."""
    monkeypatch.setattr(recurrent, "lstm_runs_in_bfloat16", lambda: False)
    block = recurrent.LstmBlock(16, 8, 2)
    frames = torch.ones(3, 5, 16, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        output, after = block.recur(frames, block.zero_state(3, torch.device("cpu")))
    assert (output.dtype, after.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize(
    ("name", "share"), [("symmetric", 0.03), ("asymmetric", 0.03), ("centred", 0.05), ("centred, asymmetric", 0.05)]
)
def test_bfloat16_stays_close(name: str, share: float) -> None:
    losses, gradients = [], []
    for precision in (torch.float32, torch.bfloat16):
        net = net_of(CONFIGS[name])
        loss, _ = loss_of(net, stems_of(net, 20), net.initial_recurrent_states(3), precision)
        loss.backward()
        losses.append(float(loss))
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in net.parameters()]))
    assert losses[1] == pytest.approx(losses[0], rel=0.01) and losses[0] != losses[1]
    assert float((gradients[1] - gradients[0]).norm() / gradients[0].norm()) < share


def test_state_is_carried_over_pieces() -> None:
    net = net_of(LITE)
    stems, context = stems_of(net, 20), net.window - net.hop
    half = 10 * net.hop
    whole, _ = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32)
    _, recurrent_states = loss_of(net, stems[..., : context + half], net.initial_recurrent_states(3), torch.float32)
    _, end = loss_of(net, stems[..., half:], recurrent_states, torch.float32)
    _, expected = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32)
    for found, reference in zip(end, expected, strict=True):
        torch.testing.assert_close(found, reference, rtol=1e-4, atol=1e-6)
    assert float(whole) > 0


@pytest.mark.parametrize("name", ["symmetric", "asymmetric"])
def test_waveforms_are_those_of_the_network(name: str) -> None:
    net = net_of(CONFIGS[name])
    stems, context = stems_of(net, 20), net.window - net.hop
    stems[..., :context] = 0.0  # as before the beginning of a stream
    loss, _ = loss_of(net, stems, net.initial_recurrent_states(3), torch.float32, "l1_wave")
    piece = stems[..., context:]
    whole = piece.shape[-1] - net.hop  # the last hop waits for a frame to come
    with torch.no_grad():
        difference = (net(piece.sum(1)) - piece)[..., :whole].abs().mean((1, 2, 3))
    scale = 1 / (stems.sum(1).std((1, 2)) + 1e-3)
    torch.testing.assert_close(loss.detach(), (difference * scale).mean(), rtol=1e-5, atol=0)


def test_si_sdr_is_that_of_le_roux() -> None:
    torch.manual_seed(0)
    target = torch.randn(4, 2, 4000)
    noise = torch.randn_like(target)
    flat_target, flat_noise = target.flatten(1), noise.flatten(1)
    share = (flat_noise * flat_target).sum(1) / flat_target.square().sum(1)
    noise = (flat_noise - share[:, None] * flat_target).view_as(target)  # orthogonal to the target
    noise *= (
        10 ** (-12 / 20) * target.flatten(1).norm(dim=1)[:, None, None] / noise.flatten(1).norm(dim=1)[:, None, None]
    )
    estimate = target + noise
    assert float(negative_si_sdr(estimate, target)) == pytest.approx(-12.0, abs=0.01)
    assert float(negative_si_sdr(3 * estimate, target)) == pytest.approx(-12.0, abs=0.01)


def test_si_sdr_of_a_silent_stem_is_its_level() -> None:
    torch.manual_seed(0)
    target = torch.randn(2, 2, 4000)
    target[1] = 0
    loud, quiet = target.clone(), target.clone()
    loud[1] = 0.5 * target[0]
    quiet[1] = 0.1 * target[0]
    difference = 2 * float(negative_si_sdr(loud, target) - negative_si_sdr(quiet, target))
    assert difference == pytest.approx(20 * math.log10(5), abs=0.5)


def test_multi_resolution_stft_is_zero_for_equals_and_hears_what_is_wrong() -> None:
    torch.manual_seed(0)
    target = torch.randn(4, 2, 8192)
    assert float(multi_resolution_stft(target.clone(), target)) == pytest.approx(0.0, abs=1e-6)
    halved = float(multi_resolution_stft(0.5 * target, target))
    # half of |target| on average, convergence 1/2, log 2
    assert halved == pytest.approx(0.5 * float(target.abs().mean()) + 0.5 + math.log(2), rel=0.02)
