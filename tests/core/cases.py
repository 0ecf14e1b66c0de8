"""One way to make each Processor of the package, with the format it wants. test_contract finds the classes.

A new Processor needs a row in CASES, and what it refuses and how it recovers in REFUSES and GUARDS (or PASSES).
"""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from hearsim.aid.compensation import Compensation
from hearsim.aid.hearing_aid import HearingAid, hearing_aid
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.remix import Remix
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.calibration import Calibration, ToFullScale, ToPascal
from hearsim.core.composites import Bypass, Chain, Delay, Parallel, Reblock
from hearsim.core.processor import Processor
from hearsim.ear.hearing_loss import HOP, HearingLoss
from hearsim.ear.vent import DirectSound, VentLeak
from hearsim.live.events import MixerState
from hearsim.live.path import LivePath
from hearsim.profile.load import load_listener, load_profile
from hearsim.profile.schema import Compression, Profile
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.models import save_model
from hearsim.separation.net import NetConfig, SeparatorNet
from hearsim.separation.registry import build
from hearsim.separation.tasnet import TasNetConfig
from hearsim.separation.x_umx import XUmxConfig

RATE = 44100
COMPRESSION = Compression(ratio=2.0, knee_db_spl=45.0, attack_ms=5.0, release_ms=50.0)
STEMS = ("vocals", "drums", "bass", "other")


TINY = HSTasNetConfig(window=128, hop=64, units=16, layers=1, bases=12, fusion="shared", bands=24)


def tiny_net(config: NetConfig = TINY, seed: int = 0) -> SeparatorNet:
    """A network with random weights, small and quick, in which every branch has a say."""
    torch.manual_seed(seed)
    net = build(config).eval()
    if net.decoder is not None:
        torch.nn.init.normal_(net.decoder.weight, std=0.1)
    return net


MODELS = tempfile.TemporaryDirectory(prefix="hearsim-tiny-")


@cache
def tiny_model(config: NetConfig = TINY) -> str:
    """Return the folder of a model with that network: one that is traced once, not for each aid as a user's own is."""
    folder = Path(MODELS.name) / f"model{len(list(Path(MODELS.name).iterdir()))}"
    save_model(tiny_net(config), folder.name, "random weights", folder)
    return str(folder)


def _separator(config: NetConfig = TINY) -> Processor:
    return Reblock(Separator(tiny_model(config)), config.hop)


def _limiter() -> MpoLimiter:
    return MpoLimiter((100.0, 94.0))


def _gains() -> np.ndarray:
    return np.stack([np.linspace(0, 30, 9), np.linspace(12, 3, 9)])


def fs(block: int) -> Format:
    return Format(RATE, 2, block)


def pa(block: int) -> Format:
    return Format(RATE, 2, block, unit="pa")


def stems(block: int) -> Format:
    return Format(RATE, 2, block, STEMS)


def quick_profile(name: str) -> Profile:
    """A shipped profile with a tiny network in the place of its model."""
    return load_profile(name).model_copy(update={"model": tiny_net()})


def _profile() -> Profile:
    """Return a profile whose network makes a step in 6 ms: on longer runs the other stages count as well."""
    model = tiny_model(TINY.model_copy(update={"window": 512, "hop": 256}))
    return load_profile("asymmetric-instrumental").model_copy(update={"model": model})


def moved_path() -> LivePath:
    """A live path one step down its bypass, so that the level match has a say."""
    path = LivePath(_profile())
    path.mixer = MixerState({"vocals": 0.5}, "remix")
    return path


T = TypeVar("T")
Case = tuple[type[Processor], Callable[[], Processor], Callable[[int], Format]]
CASES: dict[str, Case] = {
    "delay": (Delay, lambda: Delay(37), fs),
    "chain": (Chain, lambda: Chain(Delay(5), ToPascal(Calibration(94.0)), _limiter()), fs),
    "parallel": (Parallel, lambda: Parallel(Delay(0), Delay(11), Reblock(Delay(3), 48)), fs),
    "reblock": (Reblock, lambda: Reblock(Delay(7), 96), fs),
    "bypass": (Bypass, lambda: Bypass(_limiter()), pa),
    "to pascal": (ToPascal, lambda: ToPascal(Calibration(94.0)), fs),
    "to full scale": (ToFullScale, lambda: ToFullScale(Calibration(112.0)), pa),
    "limiter": (MpoLimiter, _limiter, pa),
    "compensation": (Compensation, lambda: Compensation(_gains(), COMPRESSION), pa),
    "linear": (Compensation, lambda: Compensation(_gains()), pa),
    "remix": (Remix, lambda: Remix({"vocals": 2.0, "drums": 0.0}), stems),
    "direct sound": (DirectSound, lambda: DirectSound(1000.0), pa),
    "vent leak": (VentLeak, lambda: VentLeak(1000.0), pa),
    "hearing loss": (HearingLoss, lambda: Reblock(HearingLoss(load_listener("N3").ears), HOP), pa),
    "normal hearing": (HearingLoss, lambda: Reblock(HearingLoss(load_listener("normal").ears), HOP), pa),
    "separator": (Separator, _separator, fs),
    "separator, short hops": (Separator, lambda: _separator(TINY.model_copy(update={"hop": 32})), fs),
    "separator, x-umx": (Separator, lambda: _separator(XUmxConfig(window=128, hop=64, units=16)), fs),
    "separator, tasnet": (Separator, lambda: _separator(TasNetConfig(window=128, hop=64, units=16, bases=24)), fs),
    "live path": (LivePath, moved_path, fs),
    "aid": (HearingAid, lambda: hearing_aid(_profile()), fs),
}

# By case, or by class: which change of a case's format is refused, by whom (the name its message begins with).
# Every other change in test_refusals.CHANGES must be taken.
_ONE_EAR_OR_STEMS = ("one channel", "three channels", "stems")
_LIMITER = "MPO limiter"
_SEPARATOR = "Separator"
_AID = {
    **dict.fromkeys(("unit", "stems", "three channels", "low rate", "high rate"), _SEPARATOR),
    "one channel": "Compensation",
}
REFUSES: dict[str | type[Processor], dict[str, str]] = {
    "chain": {"unit": "ToPascal", **dict.fromkeys(_ONE_EAR_OR_STEMS, _LIMITER)},
    Delay: {},
    Parallel: {},
    "reblock": {},
    Bypass: dict.fromkeys(("unit", *_ONE_EAR_OR_STEMS), _LIMITER),
    ToPascal: {"unit": "ToPascal"},
    ToFullScale: {"unit": "ToFullScale"},
    MpoLimiter: dict.fromkeys(("unit", *_ONE_EAR_OR_STEMS), _LIMITER),
    Compensation: dict.fromkeys(("unit", *_ONE_EAR_OR_STEMS, "low rate"), "Compensation"),
    Remix: {"stems": "Remix"},
    DirectSound: dict.fromkeys(("unit", "stems", "low rate"), "DirectSound"),
    VentLeak: dict.fromkeys(("unit", "stems", "low rate"), "VentLeak"),
    HearingLoss: dict.fromkeys(("unit", *_ONE_EAR_OR_STEMS), "HearingLoss"),
    Separator: dict.fromkeys(("unit", "stems", "three channels", "low rate", "high rate"), _SEPARATOR),
    LivePath: _AID,
    "aid": {**_AID, **dict.fromkeys(("one channel", "three channels"), "aid 'asymmetric-instrumental'")},
}

# Stages that pass every sample on by itself: what is no sound passes too, and harms no other sample.
PASSES: set[str | type[Processor]] = {Delay, Parallel, "reblock", Bypass, ToFullScale, Remix}

# For all others: after how many ms all is as if silence had come in the place of what is no sound, and which of
# test_recovery.NO_SOUND is counted. The limiter limits what is finite, and releases with 50 ms: 1e-6 takes 14 of them.
GUARDS: dict[str | type[Processor], tuple[float, str]] = {
    "chain": (0, "all"),
    ToPascal: (0, "all"),
    MpoLimiter: (750, "not finite"),
    Compensation: (0, "all"),
    DirectSound: (0, "all"),
    VentLeak: (0, "all"),
    HearingLoss: (0, "all"),
    Separator: (0, "none"),  # the dry branch's are counted
    LivePath: (100, "all"),
    "aid": (100, "all"),  # the stems go on in the silence, and are silenced with it
}

# How far the output is off even then: the level match of the live path forgets over seconds.
REMEMBERED = {"live path": 1e-5}

# Where only one probe can be right about the latency (`hearsim.core.probing.ProbeResult`): a low-pass, a filter without
# phase.
ONE_PROBE: dict[str, str] = {"direct sound": "impulse", "hearing loss": "chirp"}


def expected(table: dict[str | type[Processor], T], name: str) -> T:
    """The entry of a case, or of its class."""
    return table[name] if name in table else table[CASES[name][0]]
