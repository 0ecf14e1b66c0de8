"""Recurrent layers with a skip connection around them, for whole signals and for one frame.

The state is one tensor (layers, parts, batch, units), so that a stream carries plain tensors: hidden and cell for an
LSTM, hidden alone for a GRU. `nn.LSTM` repacks its weights at every call, most of the time of one frame.
So each block has a streaming copy, `to_streaming()`, with its weights arranged for one frame.
"""

import abc
from functools import cache
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

RecurrentKind = Literal["lstm", "gru"]


class Stateful(Protocol):
    """A module that carries a state from frame to frame."""

    def zero_state(self, batch: int, device: torch.device) -> Tensor:
        """Return the state before the first frame, (layers, parts, batch, units)."""


class RecurrentBlock(nn.Module, abc.ABC):
    """Recurrent layers from `inputs` to `units` features, plus a skip: identity, or linear where widths differ."""

    parts: int
    """Number of state tensors per layer."""

    def __init__(self, units: int, layers: int, skip: nn.Module | None) -> None:
        super().__init__()
        self.units, self.layers, self.skip = units, layers, skip

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over (batch, T, inputs); return the output (batch, T, units) and the state after it."""
        output, after = self.recur(x, state)
        return (output if self.skip is None else self.skip(x) + output), after

    def zero_state(self, batch: int, device: torch.device) -> Tensor:
        """Return the state before the first frame."""
        return torch.zeros(self.layers, self.parts, batch, self.units, device=device)

    @abc.abstractmethod
    def recur(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run the layers without the skip."""

    @abc.abstractmethod
    def to_streaming(self) -> "RecurrentBlock":
        """Return a copy with weights arranged for one frame a call, (batch, 1, inputs)."""


def _skip(inputs: int, units: int, with_skip: bool) -> nn.Module | None:
    if not with_skip:
        return None
    return nn.Identity() if inputs == units else nn.Linear(inputs, units)


@cache
def lstm_runs_in_bfloat16() -> bool:
    """Return whether this processor runs an LSTM in bfloat16 (oneDNN has none below AVX-512)."""
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            nn.LSTM(1, 1)(torch.zeros(1, 1))
    except RuntimeError:
        return False
    return True


class LstmBlock(RecurrentBlock):
    """Long short-term memory (Hochreiter & Schmidhuber 1997).

    Under autocast it runs in the precision of its weights on a processor without bfloat16 LSTMs.
    """

    parts = 2

    def __init__(self, inputs: int, units: int, layers: int, skip: bool = True) -> None:
        super().__init__(units, layers, _skip(inputs, units, skip))
        self.lstm = nn.LSTM(inputs, units, layers, batch_first=True)

    def recur(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not lstm_runs_in_bfloat16():
            with torch.autocast("cpu", enabled=False):
                return self._recur(x.to(state.dtype), state)
        return self._recur(x, state)

    def _recur(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output, (hidden, cell) = self.lstm(x, (state[:, 0].contiguous(), state[:, 1].contiguous()))
        return output, torch.stack((hidden, cell), 1)

    def to_streaming(self) -> RecurrentBlock:  # noqa: D102
        return _LstmFrames(self)


class _LstmFrames(RecurrentBlock):
    """One matrix product a layer, [x, hidden] with a matrix (inputs + units, 4 units) read row by row."""

    parts = 2

    def __init__(self, block: LstmBlock) -> None:
        super().__init__(block.units, block.layers, block.skip)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for w_in, w_rec, b_in, b_rec in block.lstm.all_weights:
            enter, forget, candidate, leave = torch.cat((w_in.detach(), w_rec.detach()), 1).T.chunk(4, -1)
            self.weights.append(_fixed(torch.cat((enter, forget, leave, candidate), -1)))
            enter, forget, candidate, leave = (b_in + b_rec).detach().chunk(4)
            self.biases.append(_fixed(torch.cat((enter, forget, leave, candidate))))

    def recur(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x, states = x[:, 0], []
        for weight, bias, before in zip(self.weights, self.biases, state.unbind(), strict=True):
            hidden, cell = before.unbind()
            sums = torch.addmm(bias, torch.cat((x, hidden), -1), weight)
            enter, forget, leave = torch.sigmoid(sums[:, : 3 * self.units]).chunk(3, -1)
            cell = torch.addcmul(forget * cell, enter, torch.tanh(sums[:, 3 * self.units :]))
            x = leave * torch.tanh(cell)
            states.append(torch.stack((x, cell)))
        return x.unsqueeze(1), torch.stack(states)

    def to_streaming(self) -> RecurrentBlock:
        return self


class GruBlock(RecurrentBlock):
    """Gated recurrent unit (Cho et al. 2014) as in torch: its state is a mean of tanh, so it stays within 1."""

    parts = 1

    def __init__(self, inputs: int, units: int, layers: int, skip: bool = True) -> None:
        super().__init__(units, layers, _skip(inputs, units, skip))
        self.gru = nn.GRU(inputs, units, layers, batch_first=True)

    def recur(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        output, hidden = self.gru(x, state[:, 0].contiguous())
        return output, hidden.unsqueeze(1)

    def to_streaming(self) -> RecurrentBlock:  # noqa: D102
        return _GruFrames(self)


class _GruFrames(RecurrentBlock):
    """Two matrix products a layer, as the reset gate is applied to the recurrent one before the sum."""

    parts = 1

    def __init__(self, block: GruBlock) -> None:
        super().__init__(block.units, block.layers, block.skip)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for w_in, w_rec, b_in, b_rec in block.gru.all_weights:
            self.weights += [_fixed(w_in.detach().T), _fixed(w_rec.detach().T)]
            self.biases += [_fixed(b_in.detach()), _fixed(b_rec.detach())]

    def recur(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x, states = x[:, 0], []
        for layer in range(self.layers):
            (w_in, w_rec), (b_in, b_rec) = self.weights[2 * layer :][:2], self.biases[2 * layer :][:2]
            before = state[layer, 0]
            reset_in, update_in, new_in = torch.addmm(b_in, x, w_in).chunk(3, -1)
            reset_rec, update_rec, new_rec = torch.addmm(b_rec, before, w_rec).chunk(3, -1)
            new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_rec) * new_rec)
            x = torch.lerp(new, before, torch.sigmoid(update_in + update_rec))
            states.append(x.unsqueeze(0))
        return x.unsqueeze(1), torch.stack(states)

    def to_streaming(self) -> RecurrentBlock:
        return self


def _fixed(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.contiguous(), requires_grad=False)


RECURRENT_BLOCKS: dict[RecurrentKind, type[LstmBlock] | type[GruBlock]] = {"lstm": LstmBlock, "gru": GruBlock}


class FrameLinear(nn.Module):
    """A linear layer with its weight stored as (inputs, outputs): half the time of `nn.Linear` for a single frame."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = _fixed(layer.weight.detach().T)
        self.bias = None if layer.bias is None else _fixed(layer.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., inputs) times the weight, plus the bias."""
        rows = x.flatten(0, -2)
        output = rows @ self.weight if self.bias is None else torch.addmm(self.bias, rows, self.weight)
        return output.view(*x.shape[:-1], -1)


def arrange_for_streaming(module: nn.Module) -> None:
    """Replace all recurrent blocks and linear layers inside a module by their copies for one frame.

    Decoders are not changed, as only their filters are read.
    """
    for name, child in module.named_children():
        if name == "decoder":
            continue
        copied = child.to_streaming() if isinstance(child, RecurrentBlock) else child
        if isinstance(child, nn.Linear) and child.out_features >= child.in_features:  # else nn.Linear is faster
            copied = FrameLinear(child)
        setattr(module, name, copied)
        arrange_for_streaming(copied)
