"""The learning rate from step to step, and when to stop: by a cosine, or by a score that has stopped rising."""

import math
from dataclasses import dataclass

from hearsim.training.spec import OptimizerSpec, ValidationSpec


@dataclass
class Progress:
    """What the validation scores have said so far; part of a checkpoint."""

    best_db: float = -math.inf
    since_best: int = 0  # scores since the best one
    since_cut: int = 0  # scores since the best one or the last cut
    cuts: int = 0

    def add(self, score_db: float, spec: ValidationSpec, cutting: bool) -> None:
        """Take note of a score; where `cutting`, count a cut after `spec.flat` scores that are no new best."""
        if score_db > self.best_db:
            self.best_db, self.since_best, self.since_cut = score_db, 0, 0
            return
        self.since_best, self.since_cut = self.since_best + 1, self.since_cut + 1
        if cutting and self.since_cut >= spec.flat:
            self.cuts, self.since_cut = self.cuts + 1, 0

    def is_over(self, spec: ValidationSpec) -> bool:
        """Tell whether to stop: `spec.stop` scores without a new best."""
        return bool(spec.stop) and self.since_best >= spec.stop


def learning_rate(step: int, optim: OptimizerSpec, validation: ValidationSpec, progress: Progress) -> float:
    """Return the rate at a step: linear warm-up; then a cosine down to 1 % of the peak, or what the cuts have left."""
    if step < optim.warm_up:
        return optim.learning_rate * (step + 1) / optim.warm_up
    if optim.schedule == "plateau":
        return optim.learning_rate * float(validation.cut**progress.cuts)
    done = (step - optim.warm_up) / max(1, optim.steps - optim.warm_up)
    return optim.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
