"""A loss on the masks of bands themselves, without a synthesis: as good for quiet bands as for loud ones.

The target of a band is the real mask with the least squared error of its bins, sum Re(S X*) / sum |X|^2: the
phase-sensitive mask (Erdogan et al. 2015, ICASSP) of a band; the targets of all stems sum to one. Squared errors are
weighted by the mixture's power in the band to the power 0.3, as loudness grows with intensity (Stevens 1957), so that
the bass alone doesn't decide. Squared, since the median of a sparse target is 0: with absolute errors a network is
silent until it is certain.
"""

import torch
from torch import Tensor

from hearsim.core.errors import HearsimError
from hearsim.separation.net import MaskEstimate, SeparatorNet

EXPONENT = 0.3
LIMITS = (-0.5, 1.5)
"""Of the targets: they are wild where the stems cancel one another."""
_FLOOR = 1e-8
"""Power of a pooled, windowed bin under which a band doesn't count."""


def pool_of(net: SeparatorNet) -> Tensor:
    """Return the matrix (K, bands) that averages bins.

    Raises `HearsimError` for a network whose output is not the spectrum times real masks of bands.
    """
    if net.pool is None or net.complex_masks or net.decoder is not None:
        raise HearsimError(
            "optimizer.loss: band_masks is for networks of real masks of bands without a waveform branch: give l1"
        )
    return net.pool


def mask_errors(estimate: MaskEstimate, stems: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """Return errors (T, stems, channels, bands) of one example's masks, and their weights (T, channels, bands), mean 1.

    `stems` are the windowed spectra (T, stems, channels, 2 K) of the stems, `pool` (K, bands) averages bins.
    """
    assert estimate.masks is not None and estimate.bins is not None
    with torch.no_grad():
        mixed = estimate.bins.float().unflatten(-1, (2, -1))
        power = mixed.square().sum(-2) @ pool
        shared = (stems.float().unflatten(-1, (2, -1)) * mixed.unsqueeze(1)).sum(-2) @ pool
        target = (shared / (power.unsqueeze(1) + _FLOOR / 10)).clamp(*LIMITS)
        weights = power.pow(EXPONENT) * (power > _FLOOR)
        weights /= weights.mean() + 1e-9
    return estimate.masks.float() - target, weights


def band_mask_loss(errors: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean square of errors (T, stems, channels, bands), summed over the stems."""
    return (errors.square() * weights.unsqueeze(1)).mean((0, 2, 3)).sum()
