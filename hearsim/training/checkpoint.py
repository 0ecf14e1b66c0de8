"""Checkpoints of a training run: a resumed run has the same losses as one without interruption."""

import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearsim.core.errors import HearsimError
from hearsim.core.files import write_atomically
from hearsim.core.results import check_same
from hearsim.separation.models import AVERAGED, read_weights
from hearsim.separation.net import SeparatorNet
from hearsim.training.optimizers import Progress
from hearsim.training.spec import TrainSpec

FREE = {"data.root", "data.cache", "data.load", "optimizer.threads", "optimizer.save_minutes"}
"""Settings that may change when a run is resumed, as its result does not depend on them."""


@dataclass
class State:
    """The state of a run apart from weights and optimizers."""

    recurrent_states: tuple[Tensor, ...]  # of this process's examples, after the last step
    step: int = 0  # finished steps
    hours: float = 0.0
    recent: list[float] = field(default_factory=list)  # losses since the last row of the log
    progress: Progress = field(default_factory=Progress)


def settings(spec: TrainSpec) -> dict[str, Any]:
    """Return the settings that a run's result depends on: {table.key: value}."""
    tables = spec.model_dump(mode="json").items()
    flat = {f"{table}.{key}": value for table, keys in tables for key, value in keys.items()}
    return {key: value for key, value in flat.items() if key not in FREE}


def save(path: Path, spec: TrainSpec, parts: dict[str, Any], state: State, recurrent_states: list[Tensor]) -> None:
    """Write a checkpoint: `parts` have a `state_dict`; `recurrent_states` are those of all processes.

    Raises `HearsimError` where it can't be written.
    """
    data = {name: part.state_dict() for name, part in parts.items()}
    data |= {"spec": settings(spec), "state": {**asdict(state), "recurrent_states": recurrent_states}}
    with write_atomically(path) as part:
        try:
            torch.save(data, part)
        except RuntimeError as error:  # raised by torch's archive writer; the earlier checkpoint stays intact
            raise HearsimError(f"{path} can't be written: make room, and go on with --resume") from error


def load(path: Path, spec: TrainSpec, parts: dict[str, Any], rows: range, device: torch.device) -> State:
    """Load a checkpoint into `parts` and return the run's state, with the recurrent states of `rows`.

    A spec of more steps extends the run; its learning rate then follows the longer schedule. Raises
    `HearsimError` for an unreadable checkpoint, and for one of another spec.
    """
    try:
        data = torch.load(path, weights_only=True, map_location=device)
        saved, state = data["spec"], data["state"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
        raise HearsimError(
            f"{path} is not a checkpoint of this version of hearsim: start a new run in another folder"
        ) from None
    current = settings(spec)
    steps = spec.optimizer.steps
    if steps < state["step"]:
        raise HearsimError(f"{path} has made {state['step']} steps: give optimizer.steps = {state['step']} or more")
    fixed = {*saved, *current} - FREE - {"optimizer.steps"}  # older checkpoints list these too
    cure = "resume with its own spec, or start another run from its weights with --start-from"
    check_same(path, "spec", saved, {key: current.get(key) for key in fixed}, cure)
    for name, part in parts.items():
        part.load_state_dict(data[name])
    recurrent_states = tuple(states[:, :, rows.start : rows.stop].clone() for states in state["recurrent_states"])
    return State(**{**state, "recurrent_states": recurrent_states, "progress": Progress(**state["progress"])})


def start_from(path: Path, net: SeparatorNet) -> None:
    """Load averaged weights of an earlier run into a network; raises `HearsimError` where they don't fit."""
    if not path.is_file():
        raise HearsimError(f"{path} does not exist: give the {AVERAGED} of an earlier run")
    net.load_state_dict(read_weights(path, net.config).state_dict())
