"""The levels of a network's branches, so that a log shows one that carries nothing."""

import math

import torch
from torch import Tensor

from hearsim.separation.framing import spectrum
from hearsim.separation.net import SeparatorNet

BRANCHES = ("spectrogram_db", "waveform_db")
LOWEST_DB = -200.0


@torch.no_grad()
def branch_levels_db(net: SeparatorNet, mix: Tensor) -> dict[str, float | None]:
    """Return the level of each branch's stems re the mixture, in dB; None for a branch that the network lacks.

    The level is that of the energies of all windowed spectra, added. `mix` is (batch, channels, context + frames) as in
    `hearsim.training.losses`. The network, not in training (`net.eval()`), begins in silence.
    """
    if net.training:
        raise ValueError("a network in training would change its batch norms by this: give net.eval(), or the average")
    frames = mix.unfold(-1, net.window, net.hop).transpose(1, 2)
    estimate = net.estimate_masks(frames, net.initial_recurrent_states(len(mix)))
    mixed = spectrum(frames, net.analysis).square().sum() + 1e-12
    spectral, filters = estimate._replace(weights=None), net.spectrum_filters()
    parts = {
        "spectrogram_db": net.spectra(spectral, None) if estimate.masks is not None else None,
        "waveform_db": net.add_waves(None, estimate.weights, filters) if estimate.weights is not None else None,
    }
    return {
        branch: None if part is None else max(LOWEST_DB, 10 * math.log10(float(part.square().sum() / mixed) + 1e-20))
        for branch, part in parts.items()
    }
