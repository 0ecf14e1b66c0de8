"""Speed of training in seconds of audio per second: `hearsim bench training`.

Whole steps (forward, loss, backward, clipping, optimizer, averaging) on noise, one thread a process, rounds of all
systems interleaved. Drawing examples is not included (another thread does that, at about 200 times real time).

A single process measures its thread's CPU time, so that other processes matter little. As
`torchrun --nproc-per-node 2 -m hearsim bench training` the processes share each batch, as in training, and it is
wall time: waiting for each other and exchanging gradients count.

Two processes are limited by the work that doesn't shrink with a process's examples, about half of hs-tasnet-lite's
step of 4 x 4 s in bfloat16: Muon's matrix products, which each process makes for all matrices (a quarter of the step),
and the recurrent layers, which need the same time for two examples as for four.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hearsim.separation.backends.torch_cpu import flush_denormals, use_threads
from hearsim.separation.registry import build, system
from hearsim.training.distributed import Group
from hearsim.training.losses import loss_of
from hearsim.training.optimizers import make_optimizers
from hearsim.training.spec import OptimizerSpec

RUNS = (  # system, examples, seconds of each, precision
    ("hs-tasnet-lite", 4, 4.0, torch.float32),
    ("hs-tasnet-lite", 4, 4.0, torch.bfloat16),
    ("hs-tasnet-lite-6ms", 16, 1.0, torch.float32),
    ("hs-tasnet-lite-6ms", 16, 1.0, torch.bfloat16),
)
ROUNDS = 5


class Throughput(NamedTuple):
    """The speed of training a system: seconds of audio per second, median and best of the rounds."""

    system: str
    examples: int
    seconds: float
    precision: str
    times_real_time: float
    best_times_real_time: float
    clock: str

    def __str__(self) -> str:
        return (
            f"training {self.system}, {self.examples} x {self.seconds:g} s, {self.precision}: "
            f"{self.times_real_time:.1f} x real time (best {self.best_times_real_time:.1f}) in {self.clock}"
        )


def _step_of(
    name: str, batch: int, seconds: float, precision: torch.dtype, group: Group
) -> tuple[Callable[[], None], float]:
    """Return a training step of a system, this process's share of it, and how many seconds of audio it trains on."""
    net = build(system(name)).train()
    frames = round(seconds * net.rate / net.hop) * net.hop
    local = len(group.rows(batch))
    stems = 0.1 * torch.randn(local, len(net.stems), net.channels, net.window - net.hop + frames)
    recurrent_states = net.initial_recurrent_states(local)
    optimizers = make_optimizers(net, OptimizerSpec(method="muon", steps=1)).values()
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999))

    def step() -> None:
        loss, _ = loss_of(net, stems, recurrent_states, precision)
        net.zero_grad()
        loss.backward()
        group.average(p.grad for p in net.parameters() if p.grad is not None)
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        for optimizer in optimizers:
            optimizer.step()
        average.update_parameters(net)

    return step, batch * frames / net.rate


def throughput() -> list[Throughput]:
    """Return the speed of training each system. Of many processes, one returns them."""
    group = Group("cpu")
    try:
        with use_threads(1), flush_denormals(), torch.random.fork_rng():
            return _throughput(group)
    finally:
        group.close()


def _throughput(group: Group) -> list[Throughput]:
    torch.manual_seed(0)
    steps = [_step_of(*run, group) for run in RUNS]
    speeds: list[list[float]] = [[] for _ in RUNS]
    clock = time.thread_time if group.size == 1 else time.perf_counter
    for round_ in range(ROUNDS + 1):  # the first one warms up
        for (step, seconds), measured in zip(steps, speeds, strict=True):
            group.wait()
            started = clock()
            step()
            if round_:
                measured.append(seconds / (clock() - started))
    if group.rank > 0:
        return []
    where = "one core's time" if group.size == 1 else f"wall time, {group.size} processes"
    return [
        Throughput(
            name, batch, seconds, str(precision).removeprefix("torch."), float(np.median(speed)), max(speed), where
        )
        for (name, batch, seconds, precision), speed in zip(RUNS, speeds, strict=True)
    ]
