"""The optimizers: AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), alone or with Muon for all matrices.

Muon (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon) moves a matrix along its averaged gradient with all
singular values made equal, so directions that are rare in gradients are learned as fast as the common ones. This
gained more than any loss or width that was tried. After 3.1 hours of music, with Muon for the input and recurrent
matrices, hs-tasnet-lite reached 1.24 dB SDR and with AdamW 0.69 (held-out tracks, medians of 1 s frames), for 16 %
more time a step. The input matrices matter most, as features are highly correlated: with Muon for the recurrent
matrices alone the loss falls no faster than with AdamW; with masks and decoder added, 3 % lower.
"""

import math
from dataclasses import dataclass

from torch.optim import AdamW, Muon, Optimizer

from hearsim.separation.net import SeparatorNet
from hearsim.training.spec import OptimizerSpec, ValidationSpec


@dataclass
class Progress:
    """The course of the validation scores; part of a checkpoint."""

    best_db: float = -math.inf
    since_best: int = 0  # scores since the best one
    since_cut: int = 0  # scores since the best one or the last cut
    cuts: int = 0

    def add(self, score_db: float, spec: ValidationSpec, cutting: bool) -> None:
        """Record a score; if `cutting`, count a cut after `spec.flat` scores without a new best."""
        if score_db > self.best_db:
            self.best_db, self.since_best, self.since_cut = score_db, 0, 0
            return
        self.since_best, self.since_cut = self.since_best + 1, self.since_cut + 1
        if cutting and self.since_cut >= spec.flat:
            self.cuts, self.since_cut = self.cuts + 1, 0

    def is_over(self, spec: ValidationSpec) -> bool:
        """Return whether to stop: after `spec.stop` scores without a new best."""
        return bool(spec.stop) and self.since_best >= spec.stop


def learning_rate(step: int, optim: OptimizerSpec, validation: ValidationSpec, progress: Progress) -> float:
    """Return the rate at a step: linear warm-up; then a cosine down to 1 % of the peak, or the peak after its cuts."""
    if step < optim.warm_up:
        return optim.learning_rate * (step + 1) / optim.warm_up
    if optim.schedule == "plateau":
        return optim.learning_rate * float(validation.cut**progress.cuts)
    done = (step - optim.warm_up) / max(1, optim.steps - optim.warm_up)
    return optim.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def make_optimizers(net: SeparatorNet, optim: OptimizerSpec) -> dict[str, Optimizer]:
    """Return the optimizers of a network by name; together they update every parameter once.

    "muon" takes all matrices, its steps scaled so that AdamW's learning rate fits it (Liu et al. 2025, arXiv
    2502.16982); all other parameters (biases, norms) use AdamW.
    """
    matrices = [p for p in net.parameters() if optim.method == "muon" and p.ndim == 2]
    rest = [p for p in net.parameters() if optim.method != "muon" or p.ndim != 2]
    optimizers: dict[str, Optimizer] = {
        "optimizer": AdamW(rest, optim.learning_rate, weight_decay=optim.weight_decay, fused=True)
    }
    if matrices:
        optimizers["muon"] = Muon(
            matrices, optim.learning_rate, weight_decay=optim.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
    return optimizers
