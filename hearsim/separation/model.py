"""Models on disk: `<name>/{model.toml, model.safetensors, card.md}`, found by name or by path.

Loading executes nothing from the files: the configuration is TOML, the weights are safetensors, and a checksum in
model.toml tells a damaged file from a whole one.
"""

import hashlib
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hearsim.errors import HearsimError
from hearsim.paths import find_model, write_atomically

if TYPE_CHECKING:
    from hearsim.separation.hs_tasnet import HSTasNet


class ModelInfo(BaseModel):
    """What model.toml says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    architecture: Literal["hs-tasnet"]
    parameters: int
    sha256: str
    summary: str
    network: dict[str, int | str | list[str]]


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
        first = error.errors()[0]
        raise HearsimError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def load_model(name: str | Path) -> tuple["HSTasNet", ModelInfo]:
    """Return a model's network, ready to run, and its info.

    Raises `HearsimError` where the weights are missing, damaged, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig

    folder = find_model(name)
    info, weights = read_info(folder), folder / "model.safetensors"
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise HearsimError(f"{weights} can't be read ({error.strerror}): restore it, or choose another model") from None
    if hashlib.sha256(data).hexdigest() != info.sha256:
        raise HearsimError(f"{weights} is damaged (its checksum is not that of model.toml): restore or reinstall it")
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in info.network.items()}
    try:
        net = HSTasNet(HSTasNetConfig(**settings))  # type: ignore[arg-type]
        net.load_state_dict(load(data))
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise HearsimError(f"{weights} does not fit the network of {folder / 'model.toml'}: {error}") from error
    return net.eval(), info


def save_model(net: "HSTasNet", name: str, summary: str, folder: Path) -> None:
    """Write model.toml and model.safetensors into a folder."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    data = save(net.state_dict())
    lines = [
        f'name = "{name}"',
        'architecture = "hs-tasnet"',
        f"parameters = {net.parameter_count()}",
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
        f'summary = "{summary}"',
        "",
        "[network]",
    ]
    for key, value in asdict(net.config).items():
        shown = list(value) if isinstance(value, tuple) else value
        lines.append(f"{key} = {shown!r}".replace("'", '"'))
    with write_atomically(folder / "model.safetensors") as part:
        part.write_bytes(data)
    with write_atomically(folder / "model.toml") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
