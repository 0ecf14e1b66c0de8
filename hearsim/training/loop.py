"""The training loop, top to bottom: `hearsim train run SPEC`.

The recurrent state is carried over the pieces of an example (truncated back-propagation), so the network
learns to stream. A run folder holds log.csv, checkpoint.pt (to resume exactly; not for shipping) and
averaged.safetensors (to ship: `hearsim models pack`); with a validation score also best.safetensors.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hearsim.core.errors import HearsimError
from hearsim.core.files import write_atomically
from hearsim.music.tracks import Track, summary
from hearsim.separation.backends.torch_cpu import flush_denormals, use_threads
from hearsim.separation.models import AVERAGED, save_weights
from hearsim.separation.net import SeparatorNet
from hearsim.separation.registry import build
from hearsim.training import checkpoint
from hearsim.training.branches import branch_levels_db
from hearsim.training.checkpoint import State
from hearsim.training.data import read_data
from hearsim.training.distributed import Group
from hearsim.training.examples import Mixer, StatefulBatches, batches
from hearsim.training.log import RunLog
from hearsim.training.losses import loss_of
from hearsim.training.optimizers import learning_rate, make_optimizers
from hearsim.training.spec import TrainSpec
from hearsim.training.validation import Validation

LOG_EVERY = 20
"""Steps between rows of the log."""
CHECKPOINT = "checkpoint.pt"


def train(
    spec: TrainSpec,
    run: Path,
    resume: bool = False,
    start_from: Path | None = None,
    tensorboard: bool = False,
    all_tracks: list[Track] | None = None,
) -> Path:
    """Train one network; return the path of its averaged weights.

    `resume` continues exactly from the run folder's checkpoint, also with more steps; `start_from` starts a run with
    averaged weights of an earlier one; `all_tracks` are the tracks of `spec.data` if they are read already. Raises
    `HearsimError` for a folder that already holds a run, for one that can't be written, and for mistakes in spec and
    data.
    """
    group = Group(spec.optimizer.device)
    try:
        with use_threads(spec.optimizer.threads), flush_denormals(), torch.random.fork_rng():
            return _train(spec, run, resume, start_from, tensorboard, all_tracks, group)
    finally:
        group.close()


def _train(
    spec: TrainSpec,
    run: Path,
    resume: bool,
    start_from: Path | None,
    tensorboard: bool,
    all_tracks: list[Track] | None,
    group: Group,
) -> Path:
    optim = spec.optimizer
    _make_folder(run, resume, group)
    learner = _learner(spec, run, resume, start_from, group)
    net, state = learner.net, learner.state

    all_tracks = _read_all(spec, net.rate, group) if all_tracks is None else all_tracks
    tracks, validation = _tracks(spec, net.rate, all_tracks)
    if group.rank == 0:
        print(*(f"training on {line}" for line in summary(tracks)), sep="\n", flush=True)
    piece = max(1, round(optim.seconds * net.rate / net.hop)) * net.hop
    mixer = Mixer(tracks, piece * optim.pieces, spec.augmentation, spec.data.all_weights, net.rate, spec.data.limits_hz)
    rows, context = group.rows(optim.batch), net.window - net.hop
    stateful = StatefulBatches(mixer, rows, optim.batch, optim.pieces, context, optim.seed, optim.reset)

    if not resume:
        learner.save(run)  # from here on an interrupted run can be resumed
    first, before = state.step, state.hours
    started = saved_at = time.monotonic()
    with RunLog(run, first, optim.steps, tensorboard, writes=group.rank == 0) as log:
        for stems, continues, known in batches(stateful, first, optim.steps):
            if state.progress.is_over(spec.validation):
                break
            rate = learner.set_rate()
            learner.step(stems, continues, known)

            now = time.monotonic()
            state.hours = before + (now - started) / 3600
            score_db = None
            if validation is not None and state.step % spec.validation.every == 0:
                score_db = learner.validate(validation, run)
            if state.step % LOG_EVERY == 0 or score_db is not None:
                speed = (state.step - first) * optim.batch * piece / net.rate / (now - started)
                levels_db: dict[str, float | None] = {}
                if group.rank == 0:  # the others write no log
                    levels_db = branch_levels_db(_net_of(learner.average), stems[:1].sum(1).to(group.device))
                log.row(state.step, float(np.mean(state.recent)), state.hours, speed, rate, score_db, levels_db)
                state.recent.clear()
            log.step(state.step)
            if group.agree(now - saved_at) > 60 * optim.save_minutes:
                learner.save(run)
                saved_at = now
    learner.save(run)
    return run / AVERAGED


@dataclass
class _Learner:
    """A network in training: its average over the steps, its optimizers, and the state of the run."""

    spec: TrainSpec
    group: Group
    net: SeparatorNet
    average: AveragedModel
    optimizers: dict[str, Optimizer]
    state: State

    def parts(self) -> dict[str, Any]:
        """Return the parts of a checkpoint with a `state_dict`."""
        return {"net": self.net, "average": self.average, **self.optimizers}

    def set_rate(self) -> float:
        """Set the learning rate of the next step, and return it."""
        rate = learning_rate(self.state.step, self.spec.optimizer, self.spec.validation, self.state.progress)
        for settings in (part for each in self.optimizers.values() for part in each.param_groups):
            settings["lr"] = rate
        return rate

    def step(self, stems: Tensor, continues: Tensor, known: Tensor) -> None:
        """Update the weights and their average by a batch: see `hearsim.training.examples.Batch`.

        Raises `HearsimError` where the loss or its gradient is not finite.
        """
        net, group, state, optim = self.net, self.group, self.state, self.spec.optimizer
        recurrent_states = tuple(m * continues.to(group.device)[:, None] for m in state.recurrent_states)
        precision: torch.dtype = getattr(torch, optim.precision)
        loss, recurrent_states = loss_of(net, stems.to(group.device), recurrent_states, precision, optim.loss, known)
        net.zero_grad()
        loss.backward()
        group.average(p.grad for p in net.parameters() if p.grad is not None)
        length = float(nn.utils.clip_grad_norm_(net.parameters(), optim.clip))  # before it is clipped
        mean = group.mean(loss.item())
        if not np.isfinite((mean, length)).all():
            raise HearsimError(
                f"the loss is {mean} and its gradient {length} long at step {state.step}: lower the learning rate"
            )
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.average.update_parameters(net)
        state.step += 1
        state.recent.append(mean)
        state.recurrent_states = tuple(tensor.detach() for tensor in recurrent_states)

    def validate(self, validation: Validation, run: Path) -> float:
        """Return the validation score of the averaged network, and save its weights where they are the best so far."""
        group, progress = self.group, self.state.progress
        score_db = group.agree(validation.score_db(_net_of(self.average)) if group.rank == 0 else 0.0)
        progress.add(score_db, self.spec.validation, self.spec.optimizer.schedule == "plateau")
        if progress.since_best == 0 and group.rank == 0:
            _save_weights(self.average, run / "best.safetensors")
        return score_db

    def save(self, run: Path) -> None:
        """Write the checkpoint and the averaged weights."""
        recurrent_states = self.group.gather(self.state.recurrent_states)
        if self.group.rank == 0:
            checkpoint.save(run / CHECKPOINT, self.spec, self.parts(), self.state, recurrent_states)
            _save_weights(self.average, run / AVERAGED)


def _learner(spec: TrainSpec, run: Path, resume: bool, start_from: Path | None, group: Group) -> _Learner:
    """Return a network with random weights, with those of `start_from`, or as the run's checkpoint left it."""
    optim, rows = spec.optimizer, group.rows(spec.optimizer.batch)
    torch.manual_seed(optim.seed)
    net = build(spec.model.config("the spec")).train().to(group.device)
    if start_from is not None:
        checkpoint.start_from(start_from, net)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(optim.average)).eval()
    state = State(net.initial_recurrent_states(len(rows)))
    learner = _Learner(spec, group, net, average, make_optimizers(net, optim), state)
    if resume:
        learner.state = checkpoint.load(run / CHECKPOINT, spec, learner.parts(), rows, group.device)
    return learner


def _make_folder(run: Path, resume: bool, group: Group) -> None:
    """Make the run folder; raise `HearsimError` where it can't be written, or holds a run without `resume`."""
    if resume and not (run / CHECKPOINT).is_file():
        raise HearsimError(f"{run} has no checkpoint.pt, so there is nothing to resume: start without --resume")
    if group.rank == 0:
        try:
            if run.exists() and any(run.iterdir()) and not resume:
                raise HearsimError(f"{run} already holds a run: give --resume, or another folder")
            run.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=run):
                pass
        except OSError as error:
            raise HearsimError(f"the run folder {run} can't be written ({error.strerror}): give another") from None
    group.wait()


def _read_all(spec: TrainSpec, rate: int, group: Group) -> list[Track]:
    """Return all tracks of the data; the first process fills the cache."""
    if group.rank > 0:
        group.wait()
        return read_data(spec.data, rate, say=lambda _: None)
    all_tracks = read_data(spec.data, rate)
    group.wait()
    return all_tracks


def _tracks(spec: TrainSpec, rate: int, all_tracks: list[Track]) -> tuple[list[Track], Validation | None]:
    """Return the tracks to train on and the validation, if any."""
    roles = spec.data.roles([track.name for track in all_tracks])
    tracks = [track for track in all_tracks if track.name in roles["training"]]
    validation = [track for track in all_tracks if track.name in roles["validation"]]
    return tracks, Validation(validation, spec.validation, rate) if validation else None


def _save_weights(average: AveragedModel, path: Path) -> None:
    with write_atomically(path) as part:
        try:
            save_weights(_net_of(average), part)
        except SafetensorError as error:
            raise HearsimError(f"{path} can't be written ({error}): make room, and go on with --resume") from error


def _net_of(average: AveragedModel) -> SeparatorNet:
    assert isinstance(average.module, SeparatorNet)
    return average.module
