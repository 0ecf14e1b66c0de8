"""Bands that pool the bins of a spectrum: fewer inputs and fewer mask values where hearing is coarse."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

IntArray = npt.NDArray[np.intp]

POWER_FLOOR = 1e-7
"""Power of a pooled, windowed bin (full scale) under which differences don't matter: about -90 dBFS."""


COMPRESSION = 0.3
"""Exponent of the magnitudes of complex features."""


def band_owners(window: int, bands: int) -> IntArray:
    """Return the band of each bin (bins,): the lowest 60 % of the bands are single bins, the rest log-spaced.

    In numpy, as configurations are checked by it when modules are imported: a first operation of torch starts threads,
    and no process may be forked after that (`hearsim.live.process.preloaded`). Raises `ValueError` where a band would
    hold no bin.
    """
    bins = window // 2 + 1
    singles = round(0.6 * bands)
    if not 2 <= bands <= bins or singles == bands:
        raise ValueError(f"a window of {window} has {bins} bins for it: give 0, or 2 to about {bins // 2}")
    ratio = math.log(bins / singles) / (bands - singles)
    edges = np.arange(bands + 1, dtype=np.float64)
    edges[singles:] = singles * np.exp(ratio * (edges[singles:] - singles))
    owner = np.minimum(np.searchsorted(edges, np.arange(bins) + 0.5) - 1, bands - 1)
    if np.unique(owner).size < bands:
        raise ValueError(f"a window of {window} has {bins} bins for it, too few: give a smaller number, or 0")
    return owner


def band_matrices(window: int, bands: int) -> tuple[Tensor, Tensor]:
    """Return `pool` (bins, bands), which averages power, and `spread` (bands, bins), which interpolates masks."""
    owner = torch.from_numpy(band_owners(window, bands))
    bins = owner.numel()
    member = torch.nn.functional.one_hot(owner, bands).double()  # (bins, bands)
    counts = member.sum(0)
    centres = (member * torch.arange(bins, dtype=torch.float64)[:, None]).sum(0) / counts
    spread = torch.zeros(bands, bins, dtype=torch.float64)
    for k in range(bins):  # linear between the two nearest centres, constant outside
        right = int(torch.searchsorted(centres, torch.tensor(float(k), dtype=torch.float64)).clamp(1, bands - 1))
        share = ((k - centres[right - 1]) / (centres[right] - centres[right - 1])).clamp(0, 1)
        spread[right - 1, k], spread[right, k] = 1 - share, share
    return (member / counts).float(), spread.float()


def band_features(bins: Tensor, pool: Tensor, stereo: bool) -> Tensor:
    """Return log-power per channel and band and, for stereo, the coherence of the channels: (..., features).

    `bins` is (..., c, 2 K) as from `spectrum`. Log-powers are scaled to about -1 .. 1.
    """
    real, imaginary = bins.chunk(2, -1)  # (..., c, K)
    power = torch.addcmul(real.square(), imaginary, imaginary) @ pool  # (..., c, bands)
    features = [0.125 * (torch.log(power + POWER_FLOOR) + 4.0)]
    if stereo:
        (left, right), (low, high) = real.unbind(-2), imaginary.unbind(-2)
        cross = torch.addcmul(left * right, low, high) @ pool  # (..., bands): real part of the cross-power
        features.append((cross / (power.prod(-2).sqrt() + POWER_FLOOR)).unsqueeze(-2))
    return torch.cat(features, -2).flatten(-2)


def compressed(bins: Tensor) -> Tensor:
    """Return spectra (..., 2 K) with their magnitudes to the power of `COMPRESSION`, with their phases."""
    parts = bins.unflatten(-1, (2, -1))
    power = parts.square().sum(-2, keepdim=True) + POWER_FLOOR
    features: Tensor = (parts * power ** (0.5 * (COMPRESSION - 1))).flatten(-2)
    return features
