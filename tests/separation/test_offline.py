"""Long songs piece by piece: the same as one whole pass, in bounded memory."""

import numpy as np
import pytest
import torch

from hearsim.core.errors import HearsimError
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.offline import separate

SMALL = {"rate": 8000, "units": 24, "layers": 1, "bases": 16, "fusion": "shared", "bands": 32}
CONFIGS = [
    HSTasNetConfig(window=256, hop=128, **SMALL),
    HSTasNetConfig(window=256, hop=32, **SMALL),
    HSTasNetConfig(window=256, hop=128, channels=1, **SMALL),
]


def net_of(config: HSTasNetConfig) -> HSTasNet:
    torch.manual_seed(1)
    net = HSTasNet(config).eval()
    torch.nn.init.normal_(net.decoder.weight, std=0.05)
    return net


@pytest.mark.parametrize("config", CONFIGS, ids=["symmetric", "asymmetric", "mono"])
@pytest.mark.parametrize("seconds", [0.001, 0.3, 100.0])
@pytest.mark.parametrize("frames", [40, 8000, 8192])
def test_pieces_are_the_whole_pass(config: HSTasNetConfig, seconds: float, frames: int) -> None:
    net = net_of(config)
    mix = 0.3 * torch.randn(config.channels, frames)
    with torch.no_grad():
        whole = net(mix[None])[0].numpy()
    read: list[int] = []

    def part(start: int, stop: int) -> np.ndarray:
        read.append(stop - start)
        return mix[:, start:stop].numpy()

    pieces = list(separate(net, part, frames, seconds))
    assert sum(read) == frames and max(read) <= max(net.hop, seconds * net.rate + net.hop)
    assert np.abs(whole).max() > 0.05
    np.testing.assert_allclose(np.concatenate(pieces, axis=-1), whole, atol=1e-5)


def test_a_network_that_breaks_is_named() -> None:
    net = net_of(CONFIGS[0])

    def mix(start: int, stop: int) -> np.ndarray:
        return np.full((2, stop - start), np.nan if start >= 4096 else 0.1, np.float32)

    with pytest.raises(HearsimError, match=r"NaN or Inf between 0\.5 and 1\.0 s"):
        list(separate(net, mix, 16000, 0.512))
