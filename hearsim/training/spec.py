"""What a training run is: one TOML, checked, unknown keys refused."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hearsim.errors import HearsimError
from hearsim.training.data import Augmentation


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(_Table):
    """The network: the sizes of `HSTasNetConfig` that a run may choose."""

    name: str
    units: int = 256
    layers: int = 1
    bases: int = 128
    fusion: Literal["full", "small", "shared"] = "shared"
    bands: int = 160
    channels: int = 2
    window: int = 1024
    hop: int = 512


class DataSpec(_Table):
    """Where the tracks lie, which are kept out of training, and how often each kind is drawn."""

    root: Path
    cache: Path = Path("~/.cache/hearsim/stems")
    held_out: tuple[str, ...] = ()  # whole tracks for the score; patterns
    left_out: tuple[str, ...] = ()  # neither trained on nor scored: parts of held-out songs
    weights: dict[str, float] = {}  # pattern of track names: weight; the last that fits counts


class OptimizerSpec(_Table):
    """AdamW with warm-up and cosine decay, gradient clipping and averaged weights."""

    steps: int
    batch: int = 8
    seconds: float = 4.0  # of each example at each step: the length of back-propagation
    pieces: int = 4  # steps an example lasts; the network's state is carried over them
    learning_rate: float = 1.5e-3
    warm_up: int = 50
    clip: float = 5.0
    weight_decay: float = 0.01
    average: float = 0.998  # decay of the exponential moving average of the weights
    seed: int = 0
    threads: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products; weights are float32
    save_minutes: float = 4.0


class TrainSpec(_Table):
    """One run."""

    model: ModelSpec
    data: DataSpec
    optimizer: OptimizerSpec
    augmentation: Augmentation = Augmentation()


def read_spec(path: Path) -> TrainSpec:
    """Read a training spec; raises `HearsimError` naming file and key."""
    try:
        spec = TrainSpec.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise HearsimError(f"{path} can't be read ({error.strerror}): give the name of a training spec") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HearsimError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise HearsimError(f"{path}: {key} = {first['input']!r}: {first['msg']}") from None
    root = spec.data.root if spec.data.root.is_absolute() else path.parent / spec.data.root
    cache = spec.data.cache.expanduser()
    return spec.model_copy(update={"data": spec.data.model_copy(update={"root": root, "cache": cache})})
