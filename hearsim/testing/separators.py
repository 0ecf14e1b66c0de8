"""Whether a network keeps the law of `hearsim.separation.net`."""

import numpy as np
import torch

from hearsim.core.arguments import check_kind
from hearsim.separation.backends.torch_cpu import TorchStep, trace
from hearsim.separation.net import SeparatorNet

HOPS = 24


def check_separator(net: SeparatorNet, tolerance: float = 1e-5) -> None:
    """Raise `AssertionError`, with one sentence, where a network can't run in the aid.

    Checked with noise, the weights as they are: `forward` gives (batch, stems, channels, frames), finite; streamed hop
    by hop it gives the same, `latency` samples later; later input changes no earlier output; and the compiled step of
    the aid's step equals `stream`, after a reset too.

    Parameters
    ----------
    net : SeparatorNet
        The network, in evaluation mode.
    tolerance : float
        The largest difference allowed, at a full scale of 1.

    Raises
    ------
    AssertionError
        The network does not keep the law.
    HearsimError
        `net` is no `SeparatorNet`.

    Examples
    --------
    >>> from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
    >>> check_separator(HSTasNet(HSTasNetConfig(window=128, hop=64, units=16, layers=1, bases=12)).eval())
    """
    check_kind("check_separator takes a SeparatorNet", net, SeparatorNet, "derive the network from it")
    check_shape(net)
    check_streaming(net, tolerance)
    check_causality(net, tolerance)
    check_compiled_step(net, tolerance)


def check_shape(net: SeparatorNet) -> None:
    """Check shape and values of `forward`, and evaluation mode."""
    name = type(net).__name__
    if net.training:
        raise AssertionError(f"{name} is in training mode: call net.eval()")
    mix = _noise(net, 5 * net.hop + 3, batch=2)
    with torch.no_grad():
        stems = net(mix)
    expected = (2, len(net.stems), net.channels, mix.shape[-1])
    if tuple(stems.shape) != expected:
        raise AssertionError(
            f"{name}: forward gives the shape {tuple(stems.shape)}, not (batch, stems, channels, frames) = {expected}"
        )
    if not torch.isfinite(stems).all():
        raise AssertionError(f"{name}: forward gives NaN or Inf for noise: check its weights")


def check_streaming(net: SeparatorNet, tolerance: float = 1e-5) -> None:
    """Check that stream(x)[n] == forward(x)[n - latency]."""
    late, mix = net.latency, _noise(net, HOPS * net.hop + 5, batch=2)
    with torch.no_grad():
        whole = net(mix)
        streamed = net.stream(torch.nn.functional.pad(mix, (0, late + net.hop)))[..., late : late + mix.shape[-1]]
    causes = "a layer is not causal, a state is not carried over, or the latency is another"
    fault = f"step, {late} samples later (its latency), differs from forward ({causes})"
    _compare(net, streamed, whole, tolerance, fault)


def check_causality(net: SeparatorNet, tolerance: float = 1e-5) -> None:
    """Check that an output sample needs no more than `latency` samples after it."""
    mix = _noise(net, 12 * net.hop)
    other = mix.clone()
    other[..., 8 * net.hop :] = 3 * _noise(net, 4 * net.hop, seed=1)  # louder too
    unchanged = 8 * net.hop - net.latency
    with torch.no_grad():
        whole, changed = net(mix)[..., :unchanged], net(other)[..., :unchanged]
    _compare(net, changed, whole, tolerance, "later input changes earlier output: it can't run live")


def check_compiled_step(net: SeparatorNet, tolerance: float = 1e-5) -> None:
    """Check that the aid's step equals `stream`, again after a reset."""
    mix = _noise(net, 8 * net.hop)
    step, expected = TorchStep(trace(net)), net.stream(mix)[0].detach()
    for when in ("", " after a reset"):
        step.reset()
        hops = [step(mix[0, :, start : start + net.hop].numpy()).copy() for start in range(0, mix.shape[-1], net.hop)]
        traced = torch.from_numpy(np.concatenate(hops, -1))
        _compare(net, traced, expected, tolerance, f"the traced step of the aid differs from stream{when}")


def _noise(net: SeparatorNet, frames: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 * torch.randn(batch, net.channels, frames, generator=generator)


def _compare(net: SeparatorNet, one: torch.Tensor, other: torch.Tensor, tolerance: float, fault: str) -> None:
    """Raise where two outputs differ, with the first frame at which they do."""
    if one.shape != other.shape:
        raise AssertionError(f"{type(net).__name__}: {fault} in shape: {tuple(one.shape)}, {tuple(other.shape)}")
    wrong = ~((one - other).abs() <= tolerance)  # true for NaN too
    if wrong.any():
        at = int(wrong.flatten(0, -2).any(0).nonzero()[0])
        most = float((one - other).detach().abs().max())
        raise AssertionError(f"{type(net).__name__}: {fault}, by up to {most:.3g}, from sample {at} on")
