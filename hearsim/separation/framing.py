"""Frames, windows and overlap-add, the same for a whole signal and for one hop.

A network sees, at step t, the `window` samples that end with input sample (t + 1) hop - 1, and gives after
overlap-add the hop that starts `synthesis_length` samples before that end (the length of the synthesis window). So a
file is synthesis_length - hop samples late; a live stream waits for one hop of input more.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def windows(window: int, synthesis_length: int) -> tuple[Tensor, Tensor]:
    """Return analysis window (window,) and synthesis window (synthesis_length,) for a hop of half the latter.

    Their product over the last `synthesis_length` samples is the periodic Hann window, which overlap-adds to one.
    Equal lengths give the square root of Hann on both sides; a shorter synthesis window gives the asymmetric pair of
    Wang et al. (arXiv 2106.11794): fine resolution in frequency, a short delay.

    >>> analysis, synthesis = windows(16, 4)
    >>> product = analysis[-4:] * synthesis
    >>> bool(torch.allclose(product[:2] + product[2:], torch.ones(2)))
    True
    """
    rise = window - synthesis_length // 2
    analysis = torch.cat(
        (
            torch.sin(math.pi * torch.arange(rise) / (2 * rise)),
            torch.cos(math.pi * torch.arange(synthesis_length // 2) / synthesis_length),
        )
    )
    hann = torch.sin(math.pi * torch.arange(synthesis_length) / synthesis_length) ** 2
    below = analysis[-synthesis_length:]
    return analysis, torch.where(below > 0, hann / below.clamp(min=1e-9), 0.0)


def frame(signal: Tensor, window: int, hop: int, synthesis_length: int) -> Tensor:
    """Cut (..., frames) into (..., T, window), as streaming from silence would.

    The signal is preceded by window - hop zeros and followed by as many as its last sample needs to leave the
    overlap-add: T = ceil(frames / hop) + synthesis_length / hop - 1.
    """
    hops = math.ceil(signal.shape[-1] / hop)
    padded = functional.pad(signal, (window - hop, hops * hop - signal.shape[-1] + synthesis_length - hop))
    return padded.unfold(-1, window, hop)


def overlap_add(frames: Tensor, hop: int, length: int) -> Tensor:
    """Add (..., T, synthesis_length) up into (..., length), aligned with the signal that `frame` cut."""
    *lead, count, synthesis_length = frames.shape
    pieces = frames.reshape(*lead, count, synthesis_length // hop, hop)
    total = frames.new_zeros(*lead, count + synthesis_length // hop - 1, hop)
    for piece in range(synthesis_length // hop):
        total[..., piece : piece + count, :] += pieces[..., piece, :]
    signal: Tensor = total.reshape(*lead, -1)[..., synthesis_length - hop : synthesis_length - hop + length]
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
