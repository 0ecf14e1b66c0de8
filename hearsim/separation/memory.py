"""The memory of a network: recurrent layers with a skip around them, for whole signals and for one frame.

Its state is one tensor (layers, parts, batch, units), so that a stream carries plain tensors: hidden and cell for an
LSTM, hidden alone for a GRU. One frame runs by two matrix products a layer, because `nn.LSTM` and `nn.GRU` repack
their weights at every call (`facts/runtime.md`: four times as slow).
"""

import abc
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

MemoryKind = Literal["lstm", "gru"]


class Memory(nn.Module, abc.ABC):
    """Recurrent layers from `inputs` to `units` features, plus a skip: identity, or linear where widths differ."""

    parts: int
    """Tensors that a layer keeps per unit."""

    def __init__(self, inputs: int, units: int, layers: int, skip: bool = True) -> None:
        super().__init__()
        self.units, self.layers = units, layers
        self.skip = nn.Linear(inputs, units) if skip and inputs != units else nn.Identity() if skip else None

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over (batch, T, inputs); return the output (batch, T, units) and the state after it."""
        if x.shape[1] == 1 and not self.training:
            output, after = self._frame(x[:, 0], state)
            output = output.unsqueeze(1)
        else:
            output, after = self._signal(x, state)
        return (output if self.skip is None else self.skip(x) + output), after

    def silent(self, batch: int, device: torch.device) -> Tensor:
        """Return the state before the first frame."""
        return torch.zeros(self.layers, self.parts, batch, self.units, device=device)

    @abc.abstractmethod
    def _signal(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all frames of (batch, T, inputs)."""

    @abc.abstractmethod
    def _frame(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run one frame (batch, inputs)."""


class LstmMemory(Memory):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), gates in torch's order."""

    parts = 2

    def __init__(self, inputs: int, units: int, layers: int, skip: bool = True) -> None:
        super().__init__(inputs, units, layers, skip)
        self.lstm = nn.LSTM(inputs, units, layers, batch_first=True)

    def _signal(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output, (hidden, cell) = self.lstm(x, (state[:, 0].contiguous(), state[:, 1].contiguous()))
        return output, torch.stack((hidden, cell), 1)

    def _frame(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        states = []
        for layer in range(self.layers):
            before, cell = state[layer, 0], state[layer, 1]
            w_in, w_rec, b_in, b_rec = self.lstm.all_weights[layer]
            gates = functional.linear(x, w_in, b_in) + functional.linear(before, w_rec, b_rec)
            enter, forget, candidate, leave = gates.chunk(4, -1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
            x = torch.sigmoid(leave) * torch.tanh(cell)
            states.append(torch.stack((x, cell)))
        return x, torch.stack(states)


class GruMemory(Memory):
    """Gated recurrent unit (Cho et al. 2014) as in torch: its state is a convex sum of tanh, so it can't grow."""

    parts = 1

    def __init__(self, inputs: int, units: int, layers: int, skip: bool = True) -> None:
        super().__init__(inputs, units, layers, skip)
        self.gru = nn.GRU(inputs, units, layers, batch_first=True)

    def _signal(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output, hidden = self.gru(x, state[:, 0].contiguous())
        return output, hidden.unsqueeze(1)

    def _frame(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        states = []
        for layer in range(self.layers):
            before = state[layer, 0]
            w_in, w_rec, b_in, b_rec = self.gru.all_weights[layer]
            reset_in, update_in, new_in = functional.linear(x, w_in, b_in).chunk(3, -1)
            reset_rec, update_rec, new_rec = functional.linear(before, w_rec, b_rec).chunk(3, -1)
            update = torch.sigmoid(update_in + update_rec)
            new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_rec) * new_rec)
            x = new + update * (before - new)
            states.append(x.unsqueeze(0))
        return x, torch.stack(states)


MEMORIES: dict[MemoryKind, type[Memory]] = {"lstm": LstmMemory, "gru": GruMemory}
