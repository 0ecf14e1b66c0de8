"""The state of a run, saved so that it goes on exactly where it stood: same losses as without the interruption."""

import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearsim.core.errors import HearsimError
from hearsim.core.files import write_atomically
from hearsim.separation.models import AVERAGED, read_weights
from hearsim.separation.net import SeparatorNet
from hearsim.training.optimizers import Progress
from hearsim.training.spec import TrainSpec

FREE = {"data.root", "data.cache", "data.load", "optimizer.threads", "optimizer.save_minutes"}
"""Settings that may change when a run goes on: they don't decide its course."""


@dataclass
class State:
    """What changes during a run beside weights and optimizer."""

    recurrent_states: tuple[Tensor, ...]  # of this process's examples, after the last step
    step: int = 0  # steps made
    hours: float = 0.0
    recent: list[float] = field(default_factory=list)  # losses since the last row of the log
    progress: Progress = field(default_factory=Progress)


def settings(spec: TrainSpec) -> dict[str, Any]:
    """Return what decides the course of a run: {table.key: value}."""
    tables = spec.model_dump(mode="json").items()
    found = {f"{table}.{key}": value for table, keys in tables for key, value in keys.items()}
    return {key: value for key, value in found.items() if key not in FREE}


def save(path: Path, spec: TrainSpec, parts: dict[str, Any], state: State, recurrent_states: list[Tensor]) -> None:
    """Write a checkpoint: `parts` have a `state_dict`; `recurrent_states` are those of all processes.

    Raises `HearsimError` where there is no room.
    """
    data = {name: part.state_dict() for name, part in parts.items()}
    data |= {"spec": settings(spec), "state": {**asdict(state), "recurrent_states": recurrent_states}}
    with write_atomically(path) as part:
        try:
            torch.save(data, part)
        except RuntimeError as error:  # torch's own, of its archive; the one before it stays whole
            raise HearsimError(f"{path} can't be written: make room, and go on with --resume") from error


def load(path: Path, spec: TrainSpec, parts: dict[str, Any], rows: range, device: torch.device) -> State:
    """Put a checkpoint into `parts` and return the run's state, with the recurrent states of `rows`.

    A spec of more steps extends the run; its learning rate follows the longer schedule from here on. Raises
    `HearsimError` where the checkpoint can't be read, and where it is of another spec.
    """
    try:
        data = torch.load(path, weights_only=True, map_location=device)
        found, said = data["spec"], data["state"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
        raise HearsimError(
            f"{path} is no checkpoint of this version of hearsim: start a new run in another folder"
        ) from None
    wanted = settings(spec)
    steps = spec.optimizer.steps
    if steps < said["step"]:
        raise HearsimError(f"{path} has made {said['step']} steps: give optimizer.steps = {said['step']} or more")
    for key in sorted({*found, *wanted} - FREE - {"optimizer.steps"}):  # older checkpoints hold all
        if found.get(key) != wanted.get(key):
            raise HearsimError(
                f"{path} is of another spec: {key} is {found.get(key)!r} there and {wanted.get(key)!r} here; "
                "resume with its own spec, or start another run from its weights with --start-from"
            )
    for name, part in parts.items():
        part.load_state_dict(data[name])
    recurrent_states = tuple(memory[:, :, rows.start : rows.stop].clone() for memory in said["recurrent_states"])
    return State(**{**said, "recurrent_states": recurrent_states, "progress": Progress(**said["progress"])})


def start_from(path: Path, net: SeparatorNet) -> None:
    """Put averaged weights of an earlier run into a network; raises `HearsimError` where they don't fit."""
    if not path.is_file():
        raise HearsimError(f"{path} does not exist: give the {AVERAGED} of an earlier run")
    net.load_state_dict(read_weights(path, net.config).state_dict())
