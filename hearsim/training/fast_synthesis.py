"""Synthesis for training: spectra and frames from masks as in the network, in fewer operations.

In bfloat16 the inverse transform for a short synthesis window is a pair of matrix products. About its middle, cosines
are even and sines odd: the real parts of a spectrum give the even half of the samples, the imaginary parts the odd
half, and sum and difference of the two are the samples after the middle and (reversed) before it. Gradients are
explicit where automatic ones would pass over large arrays more often.
"""

import math
from typing import Any

import torch
from torch import Tensor

from hearsim.separation.net import MaskEstimate, SeparatorNet


class BandInterpolation:
    """Interpolation of masks from bands (..., bands) to bins (..., K); bands of a single bin are copied."""

    def __init__(self, matrix: Tensor | None, precision: torch.dtype) -> None:
        self.singles = 0  # leading bands that are single bins
        if matrix is None:
            self.rest = None
            return
        unit = torch.eye(*matrix.shape, device=matrix.device)
        differs = (matrix != unit).any(0).nonzero()
        self.singles = int(differs[0]) if len(differs) else min(matrix.shape)
        self.first = max(self.singles - 1, 0)  # first band that also reaches bins beyond its own
        self.rest = matrix[self.first :, self.singles :].to(precision)
        self.bands, self.bins = matrix.shape

    def __call__(self, masks: Tensor) -> Tensor:
        """Return masks of bins."""
        if self.rest is None:
            return masks
        wide = masks.new_empty(*masks.shape[:-1], self.bins)
        wide[..., : self.singles] = masks[..., : self.singles]
        wide[..., self.singles :] = masks[..., self.first :] @ self.rest
        return wide

    def transposed(self, grad: Tensor) -> Tensor:
        """Return the gradient for masks of bands from that for masks of bins."""
        if self.rest is None:
            return grad
        narrow = grad.new_zeros(*grad.shape[:-1], self.bands)
        narrow[..., self.first :] = grad[..., self.singles :] @ self.rest.T
        narrow[..., : self.singles] += grad[..., : self.singles]
        return narrow


class MaskProduct(torch.autograd.Function):
    """Masks (..., stems, channels or 1, bands or K) times the real and the imaginary parts (..., 1, channels, K)."""

    @staticmethod
    def forward(
        ctx: Any, masks: Tensor, real: Tensor, imaginary: Tensor, spread: BandInterpolation
    ) -> tuple[Tensor, Tensor]:
        """Return both products, (..., stems, channels, K); only the masks get a gradient."""
        ctx.spread, ctx.channels = spread, masks.shape[-2]
        ctx.save_for_backward(real, imaginary)
        wide = spread(masks)
        return wide * real, wide * imaginary

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient of the masks."""
        real, imaginary = ctx.saved_tensors
        grad = upstream[0] * real
        grad.addcmul_(upstream[1], imaginary)
        if ctx.channels == 1:
            grad = grad.sum(-2, keepdim=True)
        return ctx.spread.transposed(grad), None, None, None


class FastSynthesis:
    """Synthesis of a network's mask estimates, one example at a time: windowed spectra or windowed frames."""

    def __init__(self, net: SeparatorNet, precision: torch.dtype) -> None:
        self._net = net
        self._spread = BandInterpolation(net.spread, precision)
        self._halves = precision != torch.float32 and net.synthesis_length < net.window
        if not self._halves:
            return
        bins = torch.arange(net.window // 2 + 1, dtype=torch.float64, device=net.synthesis.device)
        radians = 2 * math.pi * bins / net.window
        middle = net.window - net.synthesis_length / 2 - 0.5
        self._turn = torch.polar(torch.ones_like(radians), radians * middle).to(torch.complex64)
        weight = torch.full_like(bins, 2 / net.window)
        weight[[0, -1]] = 1 / net.window
        offset = torch.arange(net.synthesis_length // 2, device=bins.device) + 0.5
        angle = radians[:, None] * offset
        self._even = (weight[:, None] * torch.cos(angle)).to(precision)  # (K, synthesis_length / 2)
        self._odd = (-weight[:, None] * torch.sin(angle)).to(precision)

    def spectra(self, estimate: MaskEstimate, filters: Tensor | None) -> Tensor:
        """Return the windowed spectra (T, stems, channels, 2 K)."""
        if estimate.masks is None or estimate.bins is None or self._net.complex_masks:
            return self._net.spectra(estimate, filters)
        real, imaginary = estimate.bins.to(estimate.masks.dtype).unsqueeze(-3).chunk(2, -1)
        spectral = torch.cat(MaskProduct.apply(estimate.masks, real, imaginary, self._spread), -1)  # type: ignore[no-untyped-call]
        return self._net.add_waves(spectral, estimate.weights, filters)

    def synthesis_frames(self, estimate: MaskEstimate, filters: Tensor | None) -> Tensor:
        """Return the windowed frames (T, stems, channels, synthesis_length), ready to be overlap-added."""
        if estimate.masks is None or estimate.bins is None or not self._halves or self._net.complex_masks:
            return self._net.synthesis_frames(estimate, filters)
        turned = torch.complex(*estimate.bins.float().chunk(2, -1)) * self._turn
        parts = (part.to(estimate.masks.dtype).unsqueeze(-3) for part in (turned.real, turned.imag))
        real, imaginary = MaskProduct.apply(estimate.masks, *parts, self._spread)  # type: ignore[no-untyped-call]
        even, odd = real @ self._even, imaginary @ self._odd
        synthesis_frames = torch.cat(((even - odd).flip(-1), even + odd), -1) * self._net.synthesis.to(even.dtype)
        return self._net.add_waves(synthesis_frames, estimate.weights, filters)
