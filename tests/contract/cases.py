"""One way to make each Processor of the package, with the format it wants. test_contract finds the classes."""

from collections.abc import Callable

import numpy as np
import torch

from hearsim.audio import Calibration, Format
from hearsim.compensation.wdrc import Compensation, WdrcSettings
from hearsim.hearing_aid import hearing_aid
from hearsim.hearing_loss import HOP, HearingLoss
from hearsim.live.desk import Desk
from hearsim.live.path import LivePath
from hearsim.output import MpoLimiter, ToFullScale, ToPascal
from hearsim.processor import Bypass, Chain, Delay, Parallel, Processor, Reblock
from hearsim.profile import load_listener, load_profile
from hearsim.remix import Remix
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.stage import Separator
from hearsim.vent import DirectSound, VentLeak

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")


def tiny_net(seed: int = 0) -> HSTasNet:
    """A network with random weights, small and quick, in which every branch has a say."""
    torch.manual_seed(seed)
    config = HSTasNetConfig(window=128, hop=64, units=16, layers=1, bases=12, fusion="shared", bands=24)
    net = HSTasNet(config).eval()
    torch.nn.init.normal_(net.decoder.weight, std=0.1)
    return net


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


def moved_path() -> LivePath:
    """A live path one step down its bypass, so that the level match has a say."""
    path = LivePath(load_profile("asymmetric-instrumental"))
    path.desk = Desk({"vocals": 0.5}, "remix")
    return path


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
    "compensation": (Compensation, lambda: Compensation(_gains(), WdrcSettings(2.0, 45.0, 5.0, 50.0)), pa),
    "linear": (Compensation, lambda: Compensation(_gains()), pa),
    "remix": (Remix, lambda: Remix({"vocals": 2.0, "drums": 0.0}), stems),
    "direct sound": (DirectSound, lambda: DirectSound(1000.0), pa),
    "vent leak": (VentLeak, lambda: VentLeak(1000.0), pa),
    "hearing loss": (HearingLoss, lambda: Reblock(HearingLoss(load_listener("N3").ears), HOP), pa),
    "separator": (Separator, lambda: Reblock(Separator(tiny_net()), 64), fs),
    "live path": (LivePath, moved_path, fs),
    "aid": (Chain, lambda: hearing_aid(load_profile("asymmetric-instrumental")), fs),
}
