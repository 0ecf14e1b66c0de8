"""TasNet (Luo & Mesgarani 2018, arXiv 1711.00541), made stereo and causal as in the HS-TasNet paper.

    frame -- gated bases -- norm -- LSTMs (+ linear skip) -- norm -- mask x bases -- decoder

The adaptation: 1500 stereo bases of 1024 samples that overlap by half, four LSTM layers of 1000. The masks of the
stems sum to one, as in the first TasNet; Hann-windowed filters in the decoder as in HS-TasNet.
"""

import torch
from torch import Tensor, nn

from hearsim.separation.net import Count, MaskEstimate, NetConfig, SeparatorNet
from hearsim.separation.recurrent import LstmBlock, Stateful


class TasNetConfig(NetConfig):
    """Sizes of a TasNet; the defaults are the paper's adaptation."""

    bases: Count = 1500
    units: Count = 1000
    layers: Count = 4


class TasNet(SeparatorNet):
    """TasNet of any size; see the module's picture."""

    def __init__(self, config: TasNetConfig) -> None:
        super().__init__(config)
        samples = config.channels * config.window
        self.encoder = nn.Linear(samples, 2 * config.bases, bias=False)
        self.encoder_norm = nn.LayerNorm(config.bases)
        self.recurrent = LstmBlock(config.bases, config.units, config.layers)
        self.mask_norm = nn.RMSNorm(config.units)
        self.mask = nn.Linear(config.units, len(config.stems) * config.bases)
        self.decoder = nn.Linear(config.bases, samples, bias=False)

    def estimate_masks(self, frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:  # noqa: D102
        signal, gate = self.encoder(frames.flatten(-2)).chunk(2, -1)
        bases = torch.relu(signal) * torch.sigmoid(gate)  # (b, T, n)
        x, after = self.recurrent(self.encoder_norm(bases), recurrent_states[0])
        masks = torch.softmax(self.mask(self.mask_norm(x.float())).unflatten(-1, (len(self.stems), -1)), -2)
        return MaskEstimate(None, None, masks * bases.unsqueeze(-2), (after,))

    def stateful_modules(self) -> list[Stateful]:  # noqa: D102
        return [self.recurrent]
