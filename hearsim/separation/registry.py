"""Every system by name: an architecture and its sizes, as data. The first four are the paper's (arXiv 2402.17701)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from hearsim.core.errors import HearsimError

if TYPE_CHECKING:
    from hearsim.separation.net import SeparatorNet

from collections.abc import Mapping

from hearsim.core.validation import format_validation_error
from hearsim.separation.ensemble import Ensemble, EnsembleConfig
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.net import NetConfig, SeparatorNet
from hearsim.separation.tasnet import TasNet, TasNetConfig
from hearsim.separation.x_umx import XUmx, XUmxConfig

Architecture = Literal["hs-tasnet", "x-umx", "tasnet", "ensemble"]


ARCHITECTURES: dict[Architecture, tuple[type[NetConfig], type[SeparatorNet]]] = {
    "hs-tasnet": (HSTasNetConfig, HSTasNet),
    "x-umx": (XUmxConfig, XUmx),
    "tasnet": (TasNetConfig, TasNet),
    "ensemble": (EnsembleConfig, Ensemble),
}
SYSTEMS: dict[str, NetConfig] = {
    "hs-tasnet": HSTasNetConfig(),
    "hs-tasnet-small": HSTasNetConfig(layers=1, fusion="small"),
    "x-umx-23ms": XUmxConfig(),
    "tasnet-23ms": TasNetConfig(),
    "hs-tasnet-lite": HSTasNetConfig(units=256, layers=1, bases=128, fusion="shared", bands=160),
    "hs-tasnet-lite-6ms": HSTasNetConfig(hop=128, units=256, layers=1, bases=128, fusion="shared", bands=160),
}
SYSTEM_NOTES = {
    "hs-tasnet": "HS-TasNet, the paper's full network: branches for spectrogram and waveform",
    "hs-tasnet-small": "HS-TasNet, the paper's small network: one recurrent layer, none after the fusion",
    "x-umx-23ms": "X-UMX, causal with windows of 23 ms: masks of the spectrogram",
    "tasnet-23ms": "TasNet, stereo and causal with windows of 23 ms: masks of a learnt transform of the waveform",
    "hs-tasnet-lite": "HS-TasNet to train and run on a CPU: both branches share one recurrent block; 160 bands",
    "hs-tasnet-lite-6ms": "hs-tasnet-lite with a hop of 128 samples in place of 512: less delay, more work a second",
}
"""A sentence on each system for `hearsim show systems`."""


def architecture_of(config: NetConfig) -> Architecture:
    """Return the name of the architecture that a configuration is for; raises `HearsimError` for others."""
    for name, (kind, _) in ARCHITECTURES.items():
        if kind is type(config):
            return name
    raise HearsimError(
        f"{type(config).__name__} is the configuration of none of {', '.join(ARCHITECTURES)}, and a model's files "
        "hold no others: give the network itself as a profile's model, or offer it under the entry point "
        "hearsim.separators"
    )


def build(config: NetConfig) -> SeparatorNet:
    """Return the network of a configuration, with random weights."""
    _, network = ARCHITECTURES[architecture_of(config)]
    return network(config)


def system(name: str) -> NetConfig:
    """Return the configuration of a system; raises `HearsimError` for an unknown name."""
    if name not in SYSTEMS:
        raise HearsimError(f"no system is called {name!r}: there are {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def read_config(architecture: Architecture, table: Mapping[str, Any], where: str) -> NetConfig:
    """Check a table of settings; raises `HearsimError`: in a sentence with `where`, key, value and cure."""
    kind, _ = ARCHITECTURES[architecture]
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        raise HearsimError(f"{where} {format_validation_error(error, kind)}") from None
