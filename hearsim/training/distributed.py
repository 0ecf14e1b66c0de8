"""One process or many: `torchrun --nproc-per-node 2 -m hearsim train run SPEC` shares the examples of a batch.

Gradients are averaged explicitly, in one exchange: `DistributedDataParallel` wraps `forward`, which training does not
call. Every process makes the same step from the same gradients, so weights stay equal; batch norms exchange their
statistics (`hearsim.separation.x_umx`).
"""

import importlib
import os
from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn

from hearsim.core.errors import HearsimError


def processes() -> int:
    """Return the number of processes that torchrun has started for this run; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class Group:
    """The processes of a run; `rank` 0 is the one that writes."""

    def __init__(self, device: str) -> None:
        self.size = processes()
        self.rank = int(os.environ.get("RANK", "0"))
        kind = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
        if kind == "cuda" and not torch.cuda.is_available():
            raise HearsimError("optimizer.device = 'cuda', but torch finds no GPU: set it to 'auto' or 'cpu'")
        self.device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if kind == "cuda" else "cpu")
        if self.size > 1 and not distributed.is_initialized():
            # Imported after `init_process_group` (by an optimizer), this module binds the group as a default argument:
            # it then outlives `close`, and its threads may abort the process at the interpreter's exit.
            importlib.import_module("torch.distributed.nn.functional")
            distributed.init_process_group("nccl" if kind == "cuda" else "gloo")

    def rows(self, batch: int) -> range:
        """Return the rows of a batch that this process computes."""
        if batch % self.size:
            raise HearsimError(f"optimizer.batch = {batch} can't be shared by {self.size} processes: give a multiple")
        share = batch // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their mean over all processes, in one exchange."""
        if self.size == 1:
            return
        local = list(tensors)
        flat = nn.utils.parameters_to_vector(local)
        distributed.all_reduce(flat)
        nn.utils.vector_to_parameters(flat / self.size, local)

    def mean(self, value: float) -> float:
        """Return the mean of a number over all processes."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.all_reduce(shared)
        return float(shared) / self.size

    def gather(self, recurrent_states: tuple[Tensor, ...]) -> list[Tensor]:
        """Return the states (layers, parts, batch, units) of all processes' examples, in the order of the rows."""
        if self.size == 1:
            return list(recurrent_states)
        states = []
        for tensor in recurrent_states:
            all_of_them = [torch.empty_like(tensor) for _ in range(self.size)]
            distributed.all_gather(all_of_them, tensor.contiguous())
            states.append(torch.cat(all_of_them, 2))
        return states

    def agree(self, value: float) -> float:
        """Return the first process's value in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            distributed.barrier()

    def close(self) -> None:
        """Leave the group."""
        if self.size > 1:
            distributed.destroy_process_group()
