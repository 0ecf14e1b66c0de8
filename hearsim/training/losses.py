"""The losses of training, by name.

Estimates, losses and gradients are computed for one example at a time, so that the large arrays (frames x stems x
channels x window) fit the processor's cache: with all examples at once, most of a step was memory traffic. All
losses but that of masks are in units of the mixture's standard deviation.

| name | signals compared |
|---|---|
| l1 | windowed spectra where the synthesis window is as long as the analysis window, else windowed frames |
| l1_wave | waveforms |
| multi_resolution_stft | waveforms, and magnitudes at three resolutions (Yamamoto et al. 2020, arXiv 1910.11480) |
| si_sdr | waveforms up to their scale (Le Roux et al. 2019, arXiv 1811.02508), which is not learned |
| band_masks | masks of bands with those of the least squared error (`hearsim.training.band_masks`) |
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from hearsim.separation.framing import overlap_add, spectrum
from hearsim.separation.net import MaskEstimate, SeparatorNet
from hearsim.training.band_masks import band_mask_loss, mask_errors, pool_of
from hearsim.training.fast_synthesis import FastSynthesis

Criterion = Literal["l1", "l1_wave", "multi_resolution_stft", "si_sdr", "band_masks"]
RESOLUTIONS = (512, 1024, 2048)
"""Windows of the multi-resolution loss, in samples; hops are a quarter of them."""
SILENT = 1e-3
"""Share of the mixture's energy under which a stem counts as silent: -30 dB."""


class PerExampleLoss(torch.autograd.Function):
    """The mean over examples of a loss that is computed, and differentiated, for one example after the other.

    `apply(loss, shared, *tensors)`: `loss(index, shared, *slices)` gets an example's slices of `tensors` (batch, ...).
    """

    @staticmethod
    def forward(ctx: Any, loss: Callable[..., Tensor], shared: Tensor | None, *tensors: Tensor | None) -> Tensor:
        """Return the mean loss; keep the gradients for all tensors."""
        count, device = next((len(tensor), tensor.device) for tensor in tensors if tensor is not None)
        total, grads = torch.zeros((), device=device), [None if t is None else torch.empty_like(t) for t in tensors]
        grad_shared = None if shared is None else torch.zeros_like(shared)
        for index in range(count):
            leaves = [None if t is None else t[index].detach().requires_grad_() for t in tensors]
            leaf_shared = None if shared is None else shared.detach().requires_grad_()
            with torch.enable_grad():
                value = loss(index, leaf_shared, *leaves) / count
            inputs = [leaf for leaf in (leaf_shared, *leaves) if leaf is not None]
            gradients = iter(torch.autograd.grad(value, inputs))
            if grad_shared is not None:
                grad_shared += next(gradients)
            for grad in grads:
                if grad is not None:
                    grad[index] = next(gradients)
            total += value.detach()
        ctx.save_for_backward(grad_shared, *grads)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of `forward`, scaled."""
        return None, *(None if grad is None else grad * upstream[0] for grad in ctx.saved_tensors)


class MeanAbsolute(torch.autograd.Function):
    """The mean of |estimate - target|, with fewer passes over these large arrays than `l1_loss` makes."""

    @staticmethod
    def forward(ctx: Any, estimate: Tensor, target: Tensor) -> Tensor:
        """Return the mean; the target gets no gradient."""
        difference = estimate - target
        ctx.save_for_backward(difference)
        ctx.dtype = estimate.dtype
        mean: Tensor = torch.linalg.vector_norm(difference, 1) / difference.numel()
        return mean

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        """Return the sign of the difference, scaled; it overwrites the saved difference."""
        (difference,) = ctx.saved_tensors
        return difference.sign_().mul_(upstream[0] / difference.numel()).to(ctx.dtype), None


def mean_absolute(estimate: Tensor, target: Tensor) -> Tensor:
    """Return the mean of |estimate - target|; no gradient for the target."""
    mean: Tensor = MeanAbsolute.apply(estimate, target)  # type: ignore[no-untyped-call]
    return mean


def multi_resolution_stft(estimate: Tensor, target: Tensor) -> Tensor:
    """Return L1 of (stems, channels, frames) plus, averaged over `RESOLUTIONS`, two distances of magnitudes.

    Spectral convergence (eq. 4 of the paper) is of all stems together, because one alone may be silent; the
    logarithms (eq. 5) stop 40 dB under the mixture's level.
    """
    total, length = mean_absolute(estimate, target), torch.linalg.vector_norm  # its gradient at 0 is 0, not NaN
    for window in RESOLUTIONS:
        hann = torch.hann_window(window, device=target.device)
        estimated, true = (
            torch.stft(x.flatten(0, 1), window, window // 4, window=hann, center=False, return_complex=True)
            .abs()
            .div(hann.square().sum().sqrt())
            for x in (estimate, target)
        )
        convergence = length(true - estimated) / (length(true) + 1e-3)
        logarithms = (estimated.clamp(min=1e-2).log() - true.clamp(min=1e-2).log()).abs().mean()
        total = total + (convergence + logarithms) / len(RESOLUTIONS)
    return total


def negative_si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Return minus the SI-SDR of (stems, channels, frames) in dB, mean over stems; of silent ones, the level."""
    estimate, target = estimate.flatten(1), target.flatten(1)
    mixture = target.sum(0).square().sum() + 1e-6
    energy = target.square().sum(1)
    scaled = target * ((estimate * target).sum(1) / (energy + 1e-6))[:, None]
    noise = (scaled - estimate).square().sum(1) + 1e-6 * mixture
    ratio_db = 10 * torch.log10((scaled.square().sum(1) + 1e-6 * mixture) / noise)
    level_db = 10 * torch.log10(estimate.square().sum(1) / mixture + SILENT)
    return torch.where(energy < SILENT * mixture, level_db, -ratio_db).mean()


WAVE_LOSSES: dict[Criterion, Callable[[Tensor, Tensor], Tensor]] = {
    "l1_wave": mean_absolute,
    "multi_resolution_stft": multi_resolution_stft,
    "si_sdr": negative_si_sdr,
}


def loss_of(
    net: SeparatorNet,
    stems: Tensor,
    recurrent_states: tuple[Tensor, ...],
    precision: torch.dtype,
    criterion: Criterion = "l1",
    known: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the loss of stems (batch, stems, channels, context + frames) and the states after them.

    `context` is the window - hop preceding samples. Rows that are not `known` (batch,) have a loss on the vocals and on
    the sum of the other stems.
    """
    mix = stems.sum(1)
    scale = 1 / (mix.std((1, 2)) + 1e-3)  # (batch,): to units of the mixture's standard deviation
    with torch.autocast(mix.device.type, precision, enabled=precision != torch.float32):
        estimate = net.estimate_masks(mix.unfold(-1, net.window, net.hop).transpose(1, 2), recurrent_states)
    pool = pool_of(net) if criterion == "band_masks" else None
    spectral = criterion == "l1" and net.synthesis_length == net.window
    filters = net.spectrum_filters() if spectral else net.synthesis_filters()
    synthesis, both = FastSynthesis(net, precision), net.analysis[-net.synthesis_length :] * net.synthesis

    def parts(index: int, stems: Tensor, dim: int) -> Tensor:
        """Return the stems that are compared."""
        if known is None or known[index]:
            return stems
        vocals, rest = stems.split((1, stems.shape[dim] - 1), dim)
        return torch.cat((vocals, rest.sum(dim, keepdim=True)), dim)

    def example_loss(index: int, filters: Tensor | None, masks: Tensor | None, weights: Tensor | None) -> Tensor:
        part = MaskEstimate(masks, None if estimate.bins is None else estimate.bins[index].detach(), weights, ())
        target = parts(index, stems[index], 0)
        cut = target.unfold(-1, net.window, net.hop).permute(2, 0, 1, 3)  # (T, stems, channels, window)
        if pool is not None and masks is not None:
            part = part._replace(masks=parts(index, masks, 1))
            return band_mask_loss(*mask_errors(part, spectrum(cut, net.analysis), pool))
        if spectral:
            spectra = parts(index, synthesis.spectra(part, filters), 1)
            return scale[index] * mean_absolute(spectra, spectrum(cut, net.analysis))
        # (T, stems, channels, synthesis_length)
        synthesis_frames = parts(index, synthesis.synthesis_frames(part, filters), 1)
        if criterion == "l1":
            return scale[index] * mean_absolute(synthesis_frames, cut[..., -net.synthesis_length :] * both)
        complete = (len(synthesis_frames) - 1) * net.hop  # the samples whose overlap-add is complete
        waves = overlap_add(synthesis_frames.float().permute(1, 2, 0, 3), net.hop, complete)
        target = target[..., net.window - net.hop :][..., :complete]
        return WAVE_LOSSES[criterion](waves * scale[index], target * scale[index])

    loss: Tensor = PerExampleLoss.apply(example_loss, filters, estimate.masks, estimate.weights)  # type: ignore[no-untyped-call]
    return loss, estimate.recurrent_states
