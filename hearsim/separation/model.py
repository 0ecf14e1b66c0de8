"""Models on disk: `<name>/{model.toml, model.safetensors, card.md}`, found by name or by path.

Loading executes nothing from the files: the configuration is TOML, the weights are safetensors, and a checksum over
both tells a damaged model from a whole one. `hearsim.separation.pack` writes them.
"""

import difflib
import hashlib
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hearsim.errors import HearsimError
from hearsim.paths import find_model

if TYPE_CHECKING:
    from hearsim.separation.net import SeparatorNet

Architecture = Literal["hs-tasnet", "x-umx", "tasnet", "ensemble"]
Precision = Literal["float32", "float16"]


class ModelInfo(BaseModel):
    """What model.toml says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    architecture: Architecture
    parameters: int
    weights: Precision
    """How the matrices are stored; a loaded network is float32."""
    sha256: str
    summary: str
    network: dict[str, Any]


def read_info(folder: Path) -> ModelInfo:
    """Return what a model's model.toml says; raises `HearsimError` naming file and key."""
    path = folder / "model.toml"
    try:
        return ModelInfo.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HearsimError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise HearsimError(f"{path} can't be read ({error.strerror}): restore it, or choose another model") from None
    except ValidationError as error:
        raise HearsimError(f"{path}: {complaint(error, ModelInfo)}") from None


def complaint(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return pydantic's first complaint about a table of `kind` as one sentence: key, value, cure."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"the key {key} is missing: add it"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, kind.model_fields, n=1)
        return f"the key {key} is not known: {f'did you mean {near[0]}?' if near else 'remove it'}"
    shown = repr(first["input"])
    value = f" = {shown}" if len(shown) <= 80 else ""  # a whole table would fill a page
    return f"{key}{value}: {first['msg'].removeprefix('Value error, ')}"


def checksum(info: ModelInfo, weights: bytes) -> str:
    """Return the SHA-256 over what decides a model's output: architecture, sizes, precision and weights."""
    decisive = info.model_dump(include={"architecture", "parameters", "weights", "network"})
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode() + b"\n" + weights).hexdigest()


def load_model(name: str | Path) -> tuple["SeparatorNet", ModelInfo]:
    """Return a model's network, ready to run, and its info.

    Raises `HearsimError` where the configuration is not one, or the weights are missing, damaged, or of another
    network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from hearsim.separation.systems import build, read_config

    folder = find_model(name)
    path, weights = folder / "model.toml", folder / "model.safetensors"
    info = read_info(folder)
    config = read_config(info.architecture, info.network, f"{path}: [network]")
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise HearsimError(f"{weights} can't be read ({error.strerror}): restore it, or choose another model") from None
    if checksum(info, data) != info.sha256:
        raise HearsimError(
            f"{folder} is damaged: model.toml and model.safetensors don't give its checksum: restore or reinstall it"
        )
    net = build(config)
    try:
        net.load_state_dict(load(data))  # copies into float32, whatever is stored
    except (SafetensorError, RuntimeError) as error:
        raise HearsimError(f"{weights} does not fit the network of {path}: {error}") from error
    return net.eval(), info
