"""Frames, windows and overlap-add, the same for a whole signal and for one hop.

A network sees, at step t, the `window` samples that end with input sample (t + 1) hop - 1, and gives after
overlap-add the hop that starts `tail` samples before that end, `tail` being the length of the synthesis window. So
it is late by tail - hop in a file; live, one hop more of input must be waited for (`facts/hearing.md`, Delay).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def windows(window: int, tail: int) -> tuple[Tensor, Tensor]:
    """Return the analysis window (window,) and the synthesis window (tail,) for a hop of tail / 2.

    Their product over the last `tail` samples is the periodic Hann window, which overlap-adds to one. Equal lengths
    give the square root of Hann on both sides; a shorter synthesis window gives the asymmetric pair of Wang et al.
    (arXiv 2106.11794): fine resolution in frequency, a short delay.

    >>> analysis, synthesis = windows(16, 4)
    >>> product = analysis[-4:] * synthesis
    >>> bool(torch.allclose(product[:2] + product[2:], torch.ones(2)))
    True
    """
    rise = window - tail // 2
    analysis = torch.cat(
        (
            torch.sin(math.pi * torch.arange(rise) / (2 * rise)),
            torch.cos(math.pi * torch.arange(tail // 2) / tail),
        )
    )
    hann = torch.sin(math.pi * torch.arange(tail) / tail) ** 2
    below = analysis[-tail:]
    return analysis, torch.where(below > 0, hann / below.clamp(min=1e-9), 0.0)


def frame(signal: Tensor, window: int, hop: int, tail: int) -> Tensor:
    """Cut (..., frames) into (..., T, window), as streaming from silence would.

    The signal is preceded by window - hop zeros and followed by as many as its last sample needs to leave the
    overlap-add: T = ceil(frames / hop) + tail / hop - 1.
    """
    hops = math.ceil(signal.shape[-1] / hop)
    padded = functional.pad(signal, (window - hop, hops * hop - signal.shape[-1] + tail - hop))
    return padded.unfold(-1, window, hop)


def overlap_add(frames: Tensor, hop: int, length: int) -> Tensor:
    """Add (..., T, tail) up into (..., length), aligned with the signal that `frame` cut."""
    *lead, count, tail = frames.shape
    pieces = frames.reshape(*lead, count, tail // hop, hop)
    total = frames.new_zeros(*lead, count + tail // hop - 1, hop)
    for piece in range(tail // hop):
        total[..., piece : piece + count, :] += pieces[..., piece, :]
    signal: Tensor = total.reshape(*lead, -1)[..., tail - hop : tail - hop + length]
    return signal


def spectrum(frames: Tensor, window: Tensor) -> Tensor:
    """Return the windowed spectrum of (..., M) frames as reals, (..., 2 K): K real parts, then K imaginary.

    Real arithmetic on one contiguous axis: a real mask is one product, and a loss needs no inverse transform.
    """
    bins = torch.fft.rfft(frames * window)
    return torch.cat((bins.real, bins.imag), -1)


def inverse_spectrum(bins: Tensor, window: int) -> Tensor:
    """Return the frames (..., window) of a spectrum (..., 2 K) laid out as by `spectrum`."""
    real, imaginary = bins.chunk(2, -1)
    frames: Tensor = torch.fft.irfft(torch.complex(real.contiguous(), imaginary.contiguous()), n=window)
    return frames
