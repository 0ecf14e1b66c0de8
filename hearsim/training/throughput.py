"""How fast training is: seconds of audio trained per second, `hearsim bench --training`.

Whole steps (forward, loss, backward, clipping, optimizer, averaging) on noise, one thread, rounds of all systems
interleaved. The time is the thread's own, so that what else runs on the machine counts little; drawing examples is
not in it (a thread of its own does that, at about 200 times real time).
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hearsim.separation.systems import build, system
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


def _step_of(name: str, batch: int, seconds: float, precision: torch.dtype) -> tuple[Callable[[], None], float]:
    """Return a training step of a system, and how many seconds of audio it trains on."""
    net = build(system(name)).train()
    frames = round(seconds * net.rate / net.hop) * net.hop
    stems = 0.1 * torch.randn(batch, len(net.stems), net.channels, net.window - net.hop + frames)
    memories = net.silent_memories(batch)
    optimizers = make_optimizers(net, OptimizerSpec(method="muon", steps=1)).values()
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999))

    def step() -> None:
        loss, _ = loss_of(net, stems, memories, precision)
        net.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        for optimizer in optimizers:
            optimizer.step()
        average.update_parameters(net)

    return step, batch * frames / net.rate


def throughput() -> Iterator[str]:
    """Yield a line a system: seconds of audio trained per second of one core's time, median and best."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    steps = [_step_of(*run) for run in RUNS]
    speeds: list[list[float]] = [[] for _ in RUNS]
    for round_ in range(ROUNDS + 1):  # the first one warms up
        for (step, seconds), found in zip(steps, speeds, strict=True):
            started = time.thread_time()
            step()
            if round_:
                found.append(seconds / (time.thread_time() - started))
    for (name, batch, seconds, precision), found in zip(RUNS, speeds, strict=True):
        kind = str(precision).removeprefix("torch.")
        yield (
            f"training {name}, {batch} x {seconds:g} s, {kind}: "
            f"{np.median(found):.1f} x real time (best {max(found):.1f})"
        )
