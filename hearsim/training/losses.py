"""What training minimises, taken example by example.

The masks are applied, the estimates made and compared, and their gradients found for one example at a time, so that
the large arrays (frames x stems x channels x window) stay in the processor's cache: of a step with all examples at
once, most was memory traffic.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hearsim.separation.framing import spectrum
from hearsim.separation.net import Masked, SeparatorNet
from hearsim.training.synthesis import Synthesis


class ByExample(torch.autograd.Function):
    """The mean over examples of a loss that is computed, and differentiated, for one example after the other.

    `apply(loss, shared, *tensors)`: `loss(index, shared, *slices)` gets an example's slices of `tensors` (batch, ...).
    """

    @staticmethod
    def forward(ctx: Any, loss: Callable[..., Tensor], shared: Tensor | None, *tensors: Tensor | None) -> Tensor:
        """Return the mean loss; keep the gradients for all tensors."""
        count = next(len(tensor) for tensor in tensors if tensor is not None)
        total, grads = torch.zeros(()), [torch.empty_like(t) if t is not None else None for t in tensors]
        grad_shared = torch.zeros_like(shared) if shared is not None else None
        for index in range(count):
            leaves = [t[index].detach().requires_grad_() if t is not None else None for t in tensors]
            leaf_shared = shared.detach().requires_grad_() if shared is not None else None
            with torch.enable_grad():
                value = loss(index, leaf_shared, *leaves) / count
            wanted = [leaf for leaf in (leaf_shared, *leaves) if leaf is not None]
            found = iter(torch.autograd.grad(value, wanted))
            if grad_shared is not None:
                grad_shared += next(found)
            for grad in grads:
                if grad is not None:
                    grad[index] = next(found)
            total += value.detach()
        ctx.save_for_backward(grad_shared, *grads)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients found before, scaled."""
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
        """Return the sign of the difference, scaled; it takes the place of the saved difference."""
        (difference,) = ctx.saved_tensors
        return difference.sign_().mul_(upstream[0] / difference.numel()).to(ctx.dtype), None


def loss_of(
    net: SeparatorNet, stems: Tensor, memories: tuple[Tensor, ...], precision: torch.dtype
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the loss of stems (batch, stems, channels, context + frames) and the states after them.

    `context` is window - hop samples that came before. Between windowed spectra where the synthesis window is as
    long as the analysis window, between windowed frames where it is shorter.
    """
    mix = stems.sum(1)
    scale = 1 / (mix.std((1, 2)) + 1e-3)  # (batch,): to units of the mixture's standard deviation
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        found = net.masked(mix.unfold(-1, net.window, net.hop).transpose(1, 2), memories)
    whole = net.tail == net.window
    filters = net.spectrum_filters() if whole else net.tail_filters()
    synthesis = Synthesis(net, precision)
    both = net.analysis[-net.tail :] * net.synthesis

    def of_example(index: int, filters: Tensor | None, masks: Tensor | None, weights: Tensor | None) -> Tensor:
        cut = stems[index].unfold(-1, net.window, net.hop).permute(2, 0, 1, 3)  # (T, stems, channels, window)
        part = Masked(masks, None if found.bins is None else found.bins[index].detach(), weights, ())
        if whole:
            estimate, target = synthesis.spectra(part, filters), spectrum(cut, net.analysis)
        else:
            estimate, target = synthesis.tails(part, filters), cut[..., -net.tail :] * both
        mean: Tensor = MeanAbsolute.apply(estimate, target)  # type: ignore[no-untyped-call]
        return scale[index] * mean

    loss: Tensor = ByExample.apply(of_example, filters, found.masks, found.weights)  # type: ignore[no-untyped-call]
    return loss, found.memories
