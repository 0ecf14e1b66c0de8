"""What every separation network is: trained on whole signals, streamed hop by hop, equal in both.

The law, for every network, with random weights: stream(x)[n] == forward(x)[n - latency].
"""

import abc
from typing import Any

import torch
from torch import Tensor, nn

STEMS = ("vocals", "drums", "bass", "other")


class SeparatorNet(nn.Module, abc.ABC):
    """A causal network that takes a mixture apart into stems.

    Attributes: `rate` in Hz, `window` and `hop` in samples, `channels`, `stems` (names, in output order).
    """

    rate: int
    window: int
    hop: int
    channels: int
    stems: tuple[str, ...]

    @property
    def latency(self) -> int:
        """Samples by which streaming is late in a file; live it is one hop more."""
        return self.window - self.hop

    @abc.abstractmethod
    def forward(self, mix: Tensor) -> Tensor:
        """Separate a mixture (batch, channels, frames) into (batch, stems, channels, frames), time-aligned."""

    @abc.abstractmethod
    def initial_state(self, batch: int = 1) -> Any:
        """Return the state before the first hop: a NamedTuple of tensors."""

    @abc.abstractmethod
    def step(self, hop: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Separate the next (batch, channels, hop) into (batch, stems, channels, hop), `latency` samples late."""

    @torch.no_grad()
    def stream(self, mix: Tensor) -> Tensor:
        """Separate (batch, channels, frames) hop by hop; late by `latency`, of the length of whole hops."""
        state, outputs = self.initial_state(mix.shape[0]), []
        for start in range(0, mix.shape[-1] - self.hop + 1, self.hop):
            output, state = self.step(mix[..., start : start + self.hop], state)
            outputs.append(output)
        return torch.cat(outputs, -1)

    def parameter_count(self) -> int:
        """Return the number of trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())
