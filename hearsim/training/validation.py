"""The score during training: mean SDR on fixed excerpts of tracks that are never trained on."""

import numpy as np
import torch

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray
from hearsim.music.tracks import Track, warn_of_short
from hearsim.separation.net import SeparatorNet
from hearsim.training.spec import ValidationSpec

QUIET = 1e-4
"""Share of the mixture's energy under which a stem is not scored: -40 dB."""


class Validation:
    """Excerpts of `spec.seconds`, evenly spread over each track; raises `HearsimError` where all are silent."""

    def __init__(self, tracks: list[Track], spec: ValidationSpec, rate: int) -> None:
        warn_of_short(tracks, spec.seconds, rate, "validation.seconds")
        frames = round(spec.seconds * rate)
        self._excerpts: list[FloatArray] = []
        for track in tracks:
            room = max(0, track.frames - frames)
            for start in np.linspace(0, room, spec.excerpts + 2)[1:-1].astype(int):
                self._excerpts.append(track.read_stems(int(start), frames))
        if not any(excerpt.any() for excerpt in self._excerpts):
            raise HearsimError("the validation's excerpts are silent: raise validation.excerpts or validation.seconds")

    @torch.inference_mode()
    def score_db(self, net: SeparatorNet) -> float:
        """Return the SDR of a network's estimates, from the zero state, mean over excerpts and the stems in them."""
        scores = []
        for excerpt in self._excerpts:
            true_stems = torch.from_numpy(excerpt).to(net.synthesis.device)
            mix = true_stems.sum(0)
            estimate = net(mix[None])[0]
            energy = true_stems.square().sum((1, 2))
            error = (estimate - true_stems).square().sum((1, 2))
            there = energy > QUIET * mix.square().sum()
            scores += (10 * torch.log10(energy[there] / (error[there] + 1e-9))).tolist()
        return float(np.mean(scores))
