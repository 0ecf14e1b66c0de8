"""Small networks of every architecture and option, with random weights in which each branch has a say."""

import torch
from torch import nn

from hearsim.separation.convolutions import Refinement
from hearsim.separation.ensemble import EnsembleConfig
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.net import NetConfig, SeparatorNet
from hearsim.separation.registry import build
from hearsim.separation.tasnet import TasNetConfig
from hearsim.separation.x_umx import XUmxConfig

SHARED = HSTasNetConfig(window=128, hop=64, units=16, layers=1, bases=12, fusion="shared", bands=24)
FULL = HSTasNetConfig(window=128, hop=64, units=16, layers=2, bases=12)
X_UMX = XUmxConfig(window=128, hop=64, units=16, layers=2)
TASNET = TasNetConfig(window=128, hop=64, bases=24, units=16, layers=2)
WITH_CONVOLUTIONS = SHARED.model_copy(update={"conv_channels": 6, "masks": "centred"})
CONFIGS: dict[str, NetConfig] = {
    "hs-tasnet": FULL,
    "hs-tasnet small": FULL.model_copy(update={"layers": 1, "fusion": "small"}),
    "hs-tasnet shared, bands": SHARED,
    "hs-tasnet asymmetric": SHARED.model_copy(update={"hop": 16}),
    "hs-tasnet mono": SHARED.model_copy(update={"channels": 1}),
    "hs-tasnet gru": FULL.model_copy(update={"memory": "gru"}),
    "hs-tasnet without skip": FULL.model_copy(update={"skip": False}),
    "hs-tasnet complex": FULL.model_copy(update={"features": "complex"}),
    "hs-tasnet complex bands": SHARED.model_copy(update={"features": "complex"}),
    "hs-tasnet spectrum alone": FULL.model_copy(update={"branch": "spectrum"}),
    "hs-tasnet centred": SHARED.model_copy(update={"masks": "centred"}),
    "hs-tasnet centred, complex": FULL.model_copy(update={"masks": "centred", "features": "complex"}),
    "hs-tasnet waveform alone": SHARED.model_copy(update={"branch": "waveform"}),
    "hs-tasnet convolutions": WITH_CONVOLUTIONS,
    "hs-tasnet convolutions, asymmetric": WITH_CONVOLUTIONS.model_copy(update={"hop": 16}),
    "hs-tasnet convolutions, mono": WITH_CONVOLUTIONS.model_copy(update={"channels": 1}),
    "ensemble": EnsembleConfig(window=128, hop=64, members=(SHARED, WITH_CONVOLUTIONS)),
    "ensemble asymmetric": EnsembleConfig(
        window=128,
        hop=16,
        members=(WITH_CONVOLUTIONS.model_copy(update={"hop": 16}), SHARED.model_copy(update={"hop": 16})),
    ),
    "x-umx": X_UMX,
    "x-umx asymmetric": X_UMX.model_copy(update={"hop": 16}),
    "x-umx mono": X_UMX.model_copy(update={"channels": 1}),
    "tasnet": TASNET,
    "tasnet asymmetric": TASNET.model_copy(update={"hop": 16}),
    "tasnet mono": TASNET.model_copy(update={"channels": 1}),
}


def net_of(config: NetConfig, seed: int = 1) -> SeparatorNet:
    torch.manual_seed(seed)
    net = build(config).eval()
    for module in net.modules():
        if isinstance(module, SeparatorNet) and module.decoder is not None:
            nn.init.normal_(module.decoder.weight, std=0.3)
        if isinstance(module, Refinement):  # which would change nothing
            for weights in (module.to_recurrent.weight, module.last.weight, module.band_embedding):
                nn.init.normal_(weights, std=0.3)
        if isinstance(module, nn.BatchNorm1d):  # as if trained: statistics that are not 0 and 1
            nn.init.normal_(module.running_mean, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net
