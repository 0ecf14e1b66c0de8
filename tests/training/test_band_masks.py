"""The loss on masks: zero at the best ones, and the same for what isn't known of a song."""

import pytest
import torch
from torch import Tensor

from hearsim.core.errors import HearsimError
from hearsim.separation.bands import band_matrices
from hearsim.separation.framing import spectrum
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.net import MaskEstimate, SeparatorNet
from hearsim.separation.registry import build
from hearsim.training.band_masks import EXPONENT, band_mask_loss, mask_errors
from hearsim.training.losses import loss_of

SMALL = HSTasNetConfig(
    window=128, hop=64, units=16, layers=1, bases=12, fusion="shared", bands=24, branch="spectrum", masks="centred"
)


@pytest.fixture
def net() -> SeparatorNet:
    torch.manual_seed(1)
    return build(SMALL).train()


@pytest.fixture
def stems() -> Tensor:
    """Coloured noises, (3, 4, 2, frames)."""
    noise = 0.1 * torch.randn(3, 4, 2, 64 + 100 * 64, generator=torch.Generator().manual_seed(2))
    return noise.cumsum(-1) * torch.tensor([1.0, 0.3, 0.6, 0.1])[:, None, None]


def spectra_of(net: SeparatorNet, sound: Tensor) -> Tensor:
    return spectrum(sound.unfold(-1, net.window, net.hop), net.analysis)


def test_the_targets_are_the_best_masks_of_their_bands(net: SeparatorNet, stems: Tensor) -> None:
    """No other mask of a band has less squared error over its bins; those of all stems sum to one."""
    stem, mixed = (spectra_of(net, each).transpose(0, 1) for each in (stems[0, 0], stems[0].sum(0)))  # (T, 2, 2 K)
    bins = spectra_of(net, stems[0]).permute(2, 0, 1, 3)
    pool, _ = band_matrices(net.window, 24)
    zeros = MaskEstimate(torch.zeros(len(bins), 4, 2, 24), mixed, None, ())
    targets = -mask_errors(zeros, bins, pool)[0]
    inside = (targets > -0.5) & (targets < 1.5)
    member = (pool > 0).float()
    best = targets[:, 0]

    def error(masks: Tensor) -> Tensor:
        wide = (masks @ member.T).repeat(1, 1, 2)
        return (stem - wide * mixed).square().unflatten(-1, (2, -1)).sum(-2) @ member

    for other in (best + 0.05, best - 0.05):
        assert (error(other) - error(best))[inside[:, 0]].min() > -1e-9
    together = inside.all(1)
    torch.testing.assert_close(targets.sum(1)[together], torch.ones(int(together.sum())), atol=1e-3, rtol=0)


def test_a_band_counts_by_its_compressed_power(net: SeparatorNet, stems: Tensor) -> None:
    mixed = spectra_of(net, stems[0].sum(0)).transpose(0, 1)
    pool, _ = band_matrices(net.window, 24)
    masks = torch.zeros(len(mixed), 4, 2, 24)
    errors, weights = mask_errors(MaskEstimate(masks, mixed, None, ()), torch.zeros(len(mixed), 4, 2, 130), pool)
    assert not errors.any() and weights.mean() == pytest.approx(1.0, abs=1e-4)
    power = mixed.unflatten(-1, (2, -1)).square().sum(-2) @ pool
    torch.testing.assert_close(weights / weights[0, 0, 0], (power / power[0, 0, 0]).pow(EXPONENT))
    errors[:, :2, :, 3] = 0.5
    expected = 2 * 0.25 * weights[..., 3].mean() / 24
    torch.testing.assert_close(band_mask_loss(errors, weights), expected)


def test_what_is_known_of_a_song_is_compared_alone(net: SeparatorNet, stems: Tensor) -> None:
    states, parted, known = net.initial_recurrent_states(3), stems.clone(), torch.tensor([True, False, True])
    parted[1, 3] += parted[1, 1] + parted[1, 2]
    parted[1, 1:3] = 0
    losses = [loss_of(net, each, states, torch.float32, "band_masks", known)[0] for each in (stems, parted)]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    everything = loss_of(net, parted, states, torch.float32, "band_masks")[0]
    assert abs(everything - losses[1]) > 1e-3 * losses[1]
    (gradient,) = torch.autograd.grad(losses[0], [net.spectrum_mask.weight])
    assert gradient.abs().max() > 0


def test_networks_without_such_masks_are_refused(stems: Tensor) -> None:
    for change in ({"branch": "both", "masks": "free"}, {"bands": 0}, {"features": "complex"}):
        net = build(SMALL.model_copy(update=change))
        with pytest.raises(HearsimError, match="band_masks is for networks of real masks of bands"):
            loss_of(net, stems, net.initial_recurrent_states(3), torch.float32, "band_masks")
