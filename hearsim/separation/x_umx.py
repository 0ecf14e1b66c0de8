"""X-UMX (Sawata, Uhlich, Takahashi, Mitsufuji 2021, arXiv 2010.04228), causal as in the HS-TasNet paper.

One Open-Unmix (Stoeter et al. 2019, JOSS 4(41):1667) a stem, bridged by two averages over the stems:

    |STFT| -- scale - linear - norm - tanh --(average)-- LSTMs --(concatenate, average)-- linear - norm - relu
           -- linear - norm - scale - relu = mask x STFT -- iSTFT

The adaptation: a window of 1024, all 513 bins, three unidirectional LSTM layers. Norms are batch norms: their
statistics are learned in training and fixed in use, so streaming equals the full pass.
"""

import torch
from torch import Tensor, distributed, nn

from hearsim.separation.framing import spectrum
from hearsim.separation.net import Count, MaskEstimate, NetConfig, SeparatorNet
from hearsim.separation.recurrent import LstmBlock, Stateful


class XUmxConfig(NetConfig):
    """Sizes of an X-UMX; the defaults are the paper's adaptation."""

    units: Count = 512
    layers: Count = 3


class _Norm(nn.BatchNorm1d):
    """Batch norm of the features of (batch, T, features); in training, of the examples of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, 1)
        shared = self.training and distributed.is_available() and distributed.is_initialized()
        return (self._of_all(rows) if shared else super().forward(rows)).view_as(x)

    def _of_all(self, rows: Tensor) -> Tensor:
        """Return batch-norm statistics over the rows of all processes, equal in each."""
        from torch.distributed.nn.functional import all_reduce  # has a gradient

        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        size = distributed.get_world_size()
        mean = all_reduce(rows.float().mean(0)) / size  # (features,): all processes have equally many rows
        centred = rows.float() - mean
        variance = all_reduce(centred.square().mean(0)) / size
        count = size * len(rows)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return torch.addcmul(self.bias, centred * torch.rsqrt(variance + self.eps), self.weight).to(rows.dtype)


class _OpenUnmix(nn.Module):
    """The part of the network for one stem."""

    def __init__(self, config: XUmxConfig) -> None:
        super().__init__()
        bins, units = config.window // 2 + 1, config.units
        self.input_mean, self.input_scale = nn.Parameter(torch.zeros(bins)), nn.Parameter(torch.ones(bins))
        self.input = nn.Linear(config.channels * bins, units, bias=False)
        self.input_norm = _Norm(units)
        self.recurrent = LstmBlock(units, units, config.layers, skip=False)
        self.hidden = nn.Linear(2 * units, units, bias=False)
        self.hidden_norm = _Norm(units)
        self.output = nn.Linear(units, config.channels * bins, bias=False)
        self.output_norm = _Norm(config.channels * bins)
        self.output_mean, self.output_scale = nn.Parameter(torch.ones(bins)), nn.Parameter(torch.ones(bins))

    def encode(self, magnitudes: Tensor) -> Tensor:
        """Return (b, T, units) of magnitudes (b, T, c, K)."""
        scaled = (magnitudes + self.input_mean) * self.input_scale
        return torch.tanh(self.input_norm(self.input(scaled.flatten(-2))))

    def mask(self, x: Tensor, channels: int) -> Tensor:
        """Return the mask (b, T, c, K) from the input and output of the recurrent layers (b, T, 2 units)."""
        hidden = torch.relu(self.hidden_norm(self.hidden(x)))
        values = self.output_norm(self.output(hidden)).unflatten(-1, (channels, -1))
        return torch.relu(values * self.output_scale + self.output_mean)


class XUmx(SeparatorNet):
    """X-UMX of any size; see the module's picture."""

    def __init__(self, config: XUmxConfig) -> None:
        super().__init__(config)
        self.parts = nn.ModuleList(_OpenUnmix(config) for _ in config.stems)

    def estimate_masks(self, frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:  # noqa: D102
        bins = spectrum(frames, self.analysis)  # (b, T, c, 2 K)
        magnitudes = bins.unflatten(-1, (2, -1)).square().sum(-2).sqrt()
        parts = self._parts()
        crossed = torch.stack([part.encode(magnitudes) for part in parts]).mean(0)
        results = [part.recurrent(crossed, state) for part, state in zip(parts, recurrent_states, strict=True)]
        recurrent = torch.stack([output for output, _ in results]).mean(0)
        both = torch.cat((crossed, recurrent), -1)
        masks = torch.stack([part.mask(both, self.channels) for part in parts], 2)  # (b, T, stems, c, K)
        return MaskEstimate(masks, bins, None, tuple(state for _, state in results))

    def stateful_modules(self) -> list[Stateful]:  # noqa: D102
        return [part.recurrent for part in self._parts()]

    def _parts(self) -> list[_OpenUnmix]:
        return [part for part in self.parts if isinstance(part, _OpenUnmix)]
