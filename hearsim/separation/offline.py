"""Separating long songs piece by piece: the state is carried over, so the result equals one pass."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray
from hearsim.separation.framing import overlap_add
from hearsim.separation.net import SeparatorNet

PIECE_S = 8
"""Enough frames for fast matrix products; a piece's spectra take some 30 MB an array."""


def separate(
    net: SeparatorNet, read: Callable[[int, int], FloatArray], frames: int, seconds: float = PIECE_S
) -> Iterator[FloatArray]:
    """Yield the stems (stems, channels, piece) of a mixture from its beginning to its end, aligned with it.

    `read(start, stop)` returns (channels, stop - start) of the mixture. Together the pieces are `net.forward` of the
    whole, from the zero state as in the aid, in bounded memory. Raises `HearsimError` where the network gives NaN or
    Inf.
    """
    window, hop, late = net.window, net.hop, net.synthesis_length - net.hop
    total = math.ceil(frames / hop) * hop + late  # until the last sample's overlap-add is complete
    size = max(1, round(seconds * net.rate / hop)) * hop
    recurrent_states = net.initial_recurrent_states()
    line = torch.zeros(net.channels, window - hop)
    synthesis_frames = torch.zeros(
        1, len(net.stems), net.channels, late // hop, net.synthesis_length
    )  # of the earlier frames
    for start in range(0, total, size):
        stop = min(start + size, total)
        mix = np.zeros((net.channels, stop - start), np.float32)
        if start < frames:
            mix[:, : frames - start] = read(start, min(stop, frames))
        line = torch.cat((line[:, hop - window :], torch.from_numpy(mix)), -1)
        with torch.inference_mode():
            estimate = net.estimate_masks(line.unfold(-1, window, hop).transpose(0, 1)[None], recurrent_states)
            recurrent_states = estimate.recurrent_states
            waves = net.synthesis_frames(estimate, net.synthesis_filters())  # (1, T, stems, channels, synthesis_length)
            synthesis_frames = torch.cat((synthesis_frames[..., -(late // hop) :, :], waves.permute(0, 2, 3, 1, 4)), -2)
            stems = overlap_add(synthesis_frames, hop, stop - start)[
                0, ..., max(0, late - start) : frames - (start - late)
            ]
        if not torch.isfinite(stems).all():
            raise HearsimError(
                f"the network gives NaN or Inf between {start / net.rate:.1f} and {stop / net.rate:.1f} s"
            )
        if stems.shape[-1]:
            yield stems.numpy()
