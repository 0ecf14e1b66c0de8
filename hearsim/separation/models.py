"""Models on disk: `<name>/{model.toml, model.safetensors, card.md}`, found by name or by path.

Loading executes nothing from the files: the configuration is TOML, the weights are safetensors, and a checksum over
both detects a damaged model.
"""

import hashlib
import inspect
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import tomli_w
from pydantic import BaseModel, ConfigDict

from hearsim.core.arguments import check_kind
from hearsim.core.errors import HearsimError
from hearsim.core.files import find_model, make_folder, read_toml, write_atomically, write_text
from hearsim.core.networks import own_network
from hearsim.core.validation import check
from hearsim.separation.registry import Architecture

if TYPE_CHECKING:
    from torch import Tensor

    from hearsim.separation.net import NetConfig, SeparatorNet

FILES = ("model.toml", "model.safetensors")
Precision = Literal["float32", "float16"]


class ModelInfo(BaseModel):
    """The contents of model.toml."""

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
    """Return the contents of a model's model.toml; raises `HearsimError` naming file and key."""
    path = folder / "model.toml"
    return check(path, ModelInfo, read_toml(path))


def checksum(info: ModelInfo, weights: bytes) -> str:
    """Return the SHA-256 over all that determines a model's output: architecture, sizes, precision and weights."""
    decisive = info.model_dump(include={"architecture", "parameters", "weights", "network"})
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode() + b"\n" + weights).hexdigest()


def load_model(name: str | Path) -> tuple["SeparatorNet", ModelInfo]:
    """Return a model's network, ready to run, and its info.

    Raises `HearsimError` where the configuration is not one, or the weights are missing, damaged, or of another
    network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from hearsim.separation.registry import build, read_config

    folder = find_model(name)
    path, weights = (folder / name for name in FILES)
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
        net.load_state_dict(load(data))  # copies into float32 from any stored precision
    except (SafetensorError, RuntimeError) as error:
        raise HearsimError(f"{weights} does not fit the network of {path}: {error}") from error
    return net.eval(), info


class NetworkIdentity(NamedTuple):
    """The identity of a network: its name, checksum and number of parameters."""

    name: str
    sha256: str
    parameters: int


def load_network(model: "str | Path | SeparatorNet") -> tuple["SeparatorNet", ModelInfo | None]:
    """Return a network, and its info where it is a model's: of a name, a plug-in's name, a folder, or itself.

    A model's network is read once per process while its files stay as they are: it must not be changed.
    Raises `HearsimError` as `load_model` does, and for an object that is not a `SeparatorNet`.
    """
    from hearsim.separation.net import SeparatorNet

    net: object = model
    expected = "a model must be a name, a folder or"
    if isinstance(model, str | Path):
        if (net := own_network(str(model))) is None:
            folder = find_model(model).absolute()
            return _load_once(folder, tuple(_version(folder / name) for name in FILES))
        expected = f"the plug-in {str(model)!r} must return"
    check_kind(f"{expected} a SeparatorNet", net, SeparatorNet, "derive it from hearsim.separation.net.SeparatorNet")
    assert isinstance(net, SeparatorNet)
    return net.eval(), None


@lru_cache(maxsize=4)
def _load_once(folder: Path, versions: tuple[tuple[int, int], ...]) -> tuple["SeparatorNet", ModelInfo]:
    return load_model(folder)


def _version(path: Path) -> tuple[int, int]:
    """Return when a file was written and its size, which tell it from an earlier one; zeros where it is missing."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def network_sha256(net: "SeparatorNet") -> str:
    """Return the checksum of a network without a model.toml: of its code, sizes and weights."""
    kind = type(net)
    settings = net.config.model_dump_json(fallback=lambda value: type(value).__qualname__)
    digest = hashlib.sha256(f"{kind.__qualname__} {settings}".encode())
    if not kind.__module__.startswith("hearsim."):
        digest.update(_code(kind))
    for key, tensor in net.state_dict().items():
        digest.update(f" {key} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _code(kind: type) -> bytes:
    """Return the source file of a class, or its methods' bytecode without a file (a notebook, a prompt)."""
    try:
        return Path(inspect.getfile(kind)).read_bytes()
    except (TypeError, OSError):
        codes = [code for one in vars(kind).values() if isinstance(code := getattr(one, "__code__", None), CodeType)]
        constants = [one for code in codes for one in code.co_consts if isinstance(one, int | float | str)]
        return b"".join(code.co_code for code in codes) + repr(constants).encode()


AVERAGED = "averaged.safetensors"


def save_weights(net: "SeparatorNet", path: Path) -> None:
    """Write float32 weights with their network's configuration, all that `pack` needs."""
    from safetensors.torch import save_file

    from hearsim.separation.registry import architecture_of

    metadata = {"architecture": architecture_of(net.config), "network": net.config.model_dump_json()}
    save_file(net.state_dict(), path, metadata)


def read_weights(path: Path, config: "NetConfig | None" = None) -> "SeparatorNet":
    """Return the network of a file by `save_weights`; `config` is for files without a configuration.

    Raises `HearsimError` where the file has another format or its weights don't fit or are not finite.
    """
    from safetensors import SafetensorError, safe_open

    from hearsim.separation.registry import ARCHITECTURES, build, read_config

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no mapping
    except (OSError, SafetensorError) as error:
        raise HearsimError(f"{path} can't be read as weights ({error}): give a file of {AVERAGED}") from None
    if config is None:
        if metadata.get("architecture") not in ARCHITECTURES or "network" not in metadata:
            raise HearsimError(f"{path} does not name its network: give --system")
        config = read_config(metadata["architecture"], json.loads(metadata["network"]), f"{path}: network")
    net = build(config)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise HearsimError(f"{path} holds weights of another network: {' '.join(str(error).split())[:300]}") from None
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise HearsimError(f"{path} holds weights that are not finite: take an earlier checkpoint")
    return net.eval()


def pack(
    runs: Sequence[Path],
    folder: Path,
    summary: str = "",
    weights: Precision = "float32",
    config: "NetConfig | None" = None,
) -> ModelInfo:
    """Make a model folder, named as the model, of a training run (or of a file of its weights); return its info.

    Of several runs the model is an ensemble. Raises `HearsimError` where a run has no weights yet, the networks are
    too different for an ensemble, or the folder holds a model already.
    """
    paths = [run / AVERAGED if run.is_dir() else run for run in runs]
    for path in paths:
        if not path.is_file():
            raise HearsimError(f"{path} does not exist: give the folder of a training run that has saved its weights")
    if any((folder / name).exists() for name in FILES):
        raise HearsimError(f"{folder} already holds a model: give another folder, or remove that one")
    nets = [read_weights(path, config) for path in paths]
    net = nets[0] if len(nets) == 1 else _ensemble(nets, paths)
    return save_model(net, folder.resolve().name, summary, folder, weights)


def _ensemble(nets: "Sequence[SeparatorNet]", paths: Sequence[Path]) -> "SeparatorNet":
    """Return the mean of networks; raises `HearsimError` where they don't fit together."""
    from hearsim.separation.net import NetConfig
    from hearsim.separation.registry import architecture_of, build, read_config

    for path, net in zip(paths, nets, strict=True):
        if (kind := architecture_of(net.config)) != "hs-tasnet":
            raise HearsimError(f"{path} is a network of {kind}: an ensemble is made of hs-tasnet ones alone")
    where = f"an ensemble of {', '.join(map(str, paths))}:"
    members = [net.config.model_dump() for net in nets]
    shared = {key: members[0][key] for key in NetConfig.model_fields}
    ensemble = build(read_config("ensemble", {**shared, "members": members}, where))
    states = {f"members.{i}.{key}": tensor for i, one in enumerate(nets) for key, tensor in one.state_dict().items()}
    ensemble.load_state_dict(states)
    return ensemble.eval()


def save_model(net: "SeparatorNet", name: str, summary: str, folder: Path, weights: Precision = "float32") -> ModelInfo:
    """Write model.toml and model.safetensors into a folder; return the info.

    In "float16" the matrices are stored so: half the size, about 70 dB SNR (`facts/runtime.md`). Vectors (biases,
    norms, their statistics) stay float32. Raises `HearsimError` where a weight is too large for that.
    """
    from safetensors.torch import save

    from hearsim.separation.registry import architecture_of

    data = save({key: _stored(key, tensor, weights) for key, tensor in net.state_dict().items()})
    info = ModelInfo(
        name=name,
        architecture=architecture_of(net.config),
        parameters=net.parameter_count(),
        weights=weights,
        sha256="",
        summary=summary or f"{net.config.live_ms:.0f} ms",
        network=net.config.model_dump(mode="json"),
    )
    info = info.model_copy(update={"sha256": checksum(info, data)})
    make_folder(folder)
    with write_atomically(folder / "model.safetensors") as part:
        part.write_bytes(data)
    write_text(folder / "model.toml", tomli_w.dumps(info.model_dump(mode="json", exclude_none=True)))
    return info


def _stored(key: str, tensor: "Tensor", weights: Precision) -> "Tensor":
    if weights == "float32" or tensor.ndim < 2:
        return tensor.contiguous()
    half = tensor.half().contiguous()
    if not bool(half.isfinite().all()):
        raise HearsimError(f"{key} holds weights too large for float16: store float32")
    return half
