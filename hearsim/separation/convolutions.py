"""Causal convolutions over time and bands, for patterns common to all bands: partials, sibilants, strokes.

The dense layers of a recurrent block learn each band separately; convolutions share such patterns across bands (as the
convolutional blocks of most separators do, Jansson et al. 2017, ISMIR). They encode the features for the recurrent
blocks and refine the masks after them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

TIME, BAND = 3, 3
"""Taps of a convolution along time and along bands."""
TAP_SPACING = 512
"""Spacing of taps along time, about so many samples: whole hops, at least one."""
ENCODER_LAYERS, MASK_LAYERS = 1, 3
"""Convolutions after the first one, before and after the recurrent blocks."""
BOTTLENECK = 8
"""Channels of the input of the recurrent blocks."""


class Convolution(nn.Module):
    """A causal convolution of (batch, T, bands, inputs) to (batch, T, bands, outputs).

    Its state from frame to frame is its last inputs. Its weight is a matrix, so that Muon updates it.
    """

    def __init__(self, inputs: int, outputs: int, bands: int, hop: int) -> None:
        super().__init__()
        self.inputs, self.bands, self.dilation = inputs, bands, max(1, TAP_SPACING // hop)
        layer = nn.Linear(inputs * TIME * BAND, outputs)
        self.weight, self.bias = layer.weight, layer.bias

    def zero_state(self, batch: int, device: torch.device) -> Tensor:
        """Return the state before the first frame: (1, 1, batch, frames * bands * inputs)."""
        return torch.zeros(1, 1, batch, (TIME - 1) * self.dilation * self.bands * self.inputs, device=device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return (batch, T, bands, outputs) and the state after the last frame."""
        past = state[0, 0].unflatten(-1, (-1, self.bands, self.inputs)).to(x.dtype)
        extended = torch.cat((past, x), 1)
        weight = self.weight.unflatten(1, (TIME, BAND, self.inputs)).permute(0, 3, 1, 2)  # channels last: fast
        output = functional.conv2d(
            extended.permute(0, 3, 1, 2), weight, self.bias, padding=(0, BAND // 2), dilation=(self.dilation, 1)
        )
        return output.permute(0, 2, 3, 1), extended[:, -past.shape[1] :].flatten(1)[None, None]


class Refinement(nn.Module):
    """The convolutions around the recurrent blocks; at the start of training they are neutral.

    `features` and `masks` are the channels per band of the features and of the masks, `conv_channels` those between
    the convolutions, `units` is the width of the recurrent blocks.
    """

    def __init__(self, features: int, masks: int, bands: int, units: int, conv_channels: int, hop: int) -> None:
        super().__init__()
        self.first = Convolution(features, conv_channels, bands, hop)
        self.band_embedding = nn.Parameter(torch.zeros(1, 1, bands, conv_channels))  # the difference from band to band
        self.encoder_convolutions = nn.ModuleList(
            Convolution(conv_channels, conv_channels, bands, hop) for _ in range(ENCODER_LAYERS)
        )
        self.bottleneck = nn.Linear(conv_channels, BOTTLENECK)
        self.to_recurrent = nn.Linear(BOTTLENECK * bands, units, bias=False)
        self.mask_embedding = nn.Linear(masks, conv_channels)
        self.mask_convolutions = nn.ModuleList(
            Convolution(conv_channels, conv_channels, bands, hop) for _ in range(MASK_LAYERS)
        )
        self.last = nn.Linear(conv_channels, masks)
        for weights in (self.to_recurrent.weight, self.last.weight, self.last.bias):
            nn.init.zeros_(weights)

    def convolutions(self) -> list[Convolution]:
        """Return the convolutions in the order of their states."""
        layers = (self.first, *self.encoder_convolutions, *self.mask_convolutions)
        return [layer for layer in layers if isinstance(layer, Convolution)]

    def encode(self, features: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Encode features (b, T, bands, features): channels, input of the recurrent blocks (b, T, units), states."""
        x, state = self.first(features, states[0])
        x, after = self._pass(self.encoder_convolutions, x + self.band_embedding.to(x.dtype), states[1:])
        to_recurrent: Tensor = self.to_recurrent(torch.relu(self.bottleneck(x)).flatten(-2))
        return x, to_recurrent, [state, *after]

    def refine_masks(self, logits: Tensor, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        """Return the correction of mask logits (b, T, bands, masks) from `x`, the encoded channels, and states."""
        x, after = self._pass(self.mask_convolutions, x + self.mask_embedding(logits), states[1 + ENCODER_LAYERS :])
        more: Tensor = self.last(torch.relu(x))
        return more, after

    @staticmethod
    def _pass(layers: nn.ModuleList, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        after = []
        for layer, before in zip(layers, states, strict=False):
            more, state = layer(torch.relu(x), before)
            x = x + more
            after.append(state)
        return x, after
