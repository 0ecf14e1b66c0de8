"""Frames, windows and overlap-add, the same for a whole signal and for one hop.

A network with window M and hop H sees, at step t, the M samples that end with input sample (t + 1) H - 1, and
gives after overlap-add the H samples that start M - H before its newest hop. So it is late by M - H in a file;
live, one hop more of input must be waited for: M (Herzke, openMHA; `facts/hearing.md`, Delay).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def root_hann(window: int) -> Tensor:
    """Return the periodic square-root Hann window; its square overlap-adds to one at half overlap.

    >>> w = root_hann(8)
    >>> bool(torch.allclose(w[:4] ** 2 + w[4:] ** 2, torch.ones(4)))
    True
    """
    return torch.sin(math.pi * torch.arange(window) / window)


def frame(signal: Tensor, window: int, hop: int) -> Tensor:
    """Cut (..., frames) into (..., T, window), as streaming from silence would.

    The signal is preceded by window - hop zeros and followed by as many as the last sample needs to leave the
    overlap-add again: T = ceil(frames / hop) + window / hop - 1.
    """
    late = window - hop
    hops = math.ceil(signal.shape[-1] / hop)
    padded = functional.pad(signal, (late, hops * hop - signal.shape[-1] + late))
    return padded.unfold(-1, window, hop)


def overlap_add(frames: Tensor, hop: int, length: int) -> Tensor:
    """Add (..., T, window) up into (..., length), aligned with the signal that `frame` cut."""
    *lead, count, window = frames.shape
    pieces = frames.reshape(*lead, count, window // hop, hop)
    total = frames.new_zeros(*lead, count + window // hop - 1, hop)
    for piece in range(window // hop):
        total[..., piece : piece + count, :] += pieces[..., piece, :]
    signal: Tensor = total.reshape(*lead, -1)[..., window - hop : window - hop + length]
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
