"""The cost of a network's step, counted while it runs: multiply-adds, and bytes of weights that must be read.

The bytes decide the time of a step wherever the weights don't fit into the cache (`facts/runtime.md`).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from hearsim.separation.net import SeparatorNet


class StepCost(NamedTuple):
    """The cost of one hop."""

    multiply_adds: int
    """Of matrix products; transforms and elementwise arithmetic are not counted."""
    weight_bytes: int
    """Of parameters and constant tables, each part once, read by the float32 step."""


class _Reads(TorchDispatchMode):
    """Records the parts of the weights that operations read."""

    def __init__(self, net: SeparatorNet) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._weights = {_storage(tensor) for tensor in (*net.parameters(), *net.buffers())}
        self.parts: dict[tuple[int, int, tuple[int, ...]], int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        outputs = output if isinstance(output, tuple | list) else (output,)
        views = {_storage(tensor) for tensor in outputs if isinstance(tensor, Tensor)}
        for tensor in _tensors(args):
            where = _storage(tensor)
            if where in self._weights and where not in views:  # a view reads nothing
                part = (where, int(tensor.storage_offset()), tuple(tensor.shape))
                self.parts[part] = tensor.numel() * tensor.element_size()
        return output


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(args: Any) -> list[Tensor]:
    flat: list[Tensor] = []
    for arg in args:
        if isinstance(arg, Tensor):
            flat.append(arg)
        elif isinstance(arg, tuple | list):
            flat += _tensors(arg)
    return flat


@torch.no_grad()
def step_cost(net: SeparatorNet) -> StepCost:
    """Return the cost of one hop of a network that streams."""
    twin = net.streaming()
    reads, products = _Reads(twin), FlopCounterMode(display=False)
    with products, reads:
        twin.step(torch.zeros(1, net.channels, net.hop), twin.initial_state())
    return StepCost(products.get_total_flops() // 2, sum(reads.parts.values()))
