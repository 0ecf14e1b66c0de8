"""A band-split recurrent network (Luo & Yu 2023, arXiv 2209.15174), causal, with real masks of bands.

    frame - STFT - bands - split -+- (along time - along bands) x layers -+- masks x STFT - iSTFT
                                  +-------------- groups ----------------+

The bands are split into groups of neighbours. A recurrent layer along time is the same for every group, and one along
the groups runs in both directions within a frame: what is learned of one pitch holds for the others.
"""

import torch
from pydantic import ValidationInfo, field_validator
from torch import Tensor, nn

from hearsim.separation.bands import band_features, band_matrices, band_owners
from hearsim.separation.framing import spectrum
from hearsim.separation.net import Count, MaskEstimate, NetConfig, SeparatorNet
from hearsim.separation.recurrent import LstmBlock, Stateful


class BandSplitConfig(NetConfig):
    """Sizes of a band-split network."""

    bands: Count = 160
    """Bands that pool the bins, per channel."""
    group: Count = 4
    """Neighbouring bands in a group."""
    width: Count = 64
    """Features of a group."""
    units: Count = 64
    """Units of each recurrent layer; of those along the groups, in each direction half."""
    layers: Count = 4

    @field_validator("bands")
    @classmethod
    def _bands_fit_the_window(cls, bands: int, others: ValidationInfo) -> int:
        if "window" in others.data:
            band_owners(others.data["window"], bands)
        return bands

    @field_validator("group")
    @classmethod
    def _groups_are_whole(cls, group: int, others: ValidationInfo) -> int:
        if "bands" in others.data and others.data["bands"] % group:
            raise ValueError(f"it must divide the {others.data['bands']} bands")
        return group


class GroupLinear(nn.Module):
    """A linear layer (..., groups, inputs) to (..., groups, outputs) with a matrix for each group."""

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(groups, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., groups, outputs)."""
        rows = x.flatten(0, -3).transpose(0, 1)  # (groups, n, inputs)
        output = torch.baddbmm(self.bias.to(rows.dtype), rows, self.weight.to(rows.dtype)).transpose(0, 1)
        result: Tensor = output.unflatten(0, x.shape[:-2])
        return result


class TimeLayer(nn.Module):
    """A recurrent layer along time, the same for all groups, with a residual connection."""

    def __init__(self, groups: int, width: int, units: int) -> None:
        super().__init__()
        self.groups, self.units = groups, units
        self.norm, self.recurrent, self.out = (
            nn.RMSNorm(width),
            LstmBlock(width, units, 1, skip=False),
            nn.Linear(units, width),
        )

    def zero_state(self, batch: int, device: torch.device) -> Tensor:
        """Return the state before the first frame, (1, 2, batch, groups * units)."""
        return torch.zeros(1, 2, batch, self.groups * self.units, device=device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over (batch, T, groups, width)."""
        batch = x.shape[0]
        rows = self.norm(x).transpose(1, 2).flatten(0, 1)  # (batch * groups, T, width)
        output, after = self.recurrent(rows, state.view(1, 2, batch * self.groups, self.units))
        output = self.out(output).unflatten(0, (batch, self.groups)).transpose(1, 2)
        return x + output, after.reshape(1, 2, batch, -1)


class BandLayer(nn.Module):
    """Exchange between the groups of a frame: a convolution along them, and a dense layer for each feature."""

    def __init__(self, groups: int, width: int, taps: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.convolution = nn.Conv1d(width, width, taps, padding=taps // 2)
        self.out = nn.Linear(width, width)
        self.dense_norm = nn.RMSNorm(width)
        self.dense_in, self.dense_out = nn.Linear(groups, groups), nn.Linear(groups, groups)

    def forward(self, x: Tensor) -> Tensor:
        """Run over (batch, T, groups, width)."""
        local = self.convolution(self.norm(x).flatten(0, 1).transpose(1, 2)).transpose(1, 2)
        x = x + self.out(torch.relu(local)).view(x.shape)
        columns = self.dense_norm(x).transpose(-1, -2)  # (batch, T, width, groups)
        more: Tensor = self.dense_out(torch.relu(self.dense_in(columns))).transpose(-1, -2)
        return x + more


class BandSplit(SeparatorNet):
    """A band-split network of any size; see the module's picture."""

    pool: Tensor

    def __init__(self, config: BandSplitConfig) -> None:
        super().__init__(config)
        self.config: BandSplitConfig = config
        pool, spread = band_matrices(config.window, config.bands)
        self.register_buffer("pool", pool, persistent=False)  # (bins, bands)
        self.register_buffer("spread", spread, persistent=False)  # (bands, bins)
        groups, width = config.bands // config.group, config.width
        kinds = config.channels + (config.channels == 2)
        self.split = GroupLinear(groups, kinds * config.group, width)
        self.time = nn.ModuleList(TimeLayer(groups, width, config.units) for _ in range(config.layers))
        self.band = nn.ModuleList(BandLayer(groups, width, 5) for _ in range(config.layers))
        self.norm = nn.RMSNorm(width)
        self.hidden = GroupLinear(groups, width, 2 * width)
        self.mask = GroupLinear(groups, 2 * width, len(config.stems) * config.channels * config.group)

    def estimate_masks(self, frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:  # noqa: D102
        bins = spectrum(frames, self.analysis)
        features = band_features(bins, self.pool, self.channels == 2)
        group = self.config.group
        x = features.unflatten(-1, (-1, self.config.bands // group, group)).transpose(-3, -2).flatten(-2)
        x, after = self.split(x), []
        for time, band, before in zip(self.time, self.band, recurrent_states, strict=True):
            x, state = time(x, before)
            x = band(x)
            after.append(state)
        logits = self.mask(torch.tanh(self.hidden(self.norm(x)))).float()
        logits = logits.unflatten(-1, (len(self.stems), self.channels, group))  # (b, T, groups, stems, channels, group)
        masks = torch.sigmoid(logits.permute(0, 1, 3, 4, 2, 5).flatten(-2))
        masks = masks + (1 - masks.sum(2, keepdim=True)) / len(self.stems)
        return MaskEstimate(masks, bins, None, tuple(after))

    def stateful_modules(self) -> list[Stateful]:  # noqa: D102
        return list(self.time)  # type: ignore[arg-type]
