"""The training loop, top to bottom: `hearsim train SPEC`.

The losses are in `losses.py`, per example in units of the mixture's standard deviation.
The state of the memories is carried over the pieces of an example (truncated back-propagation), so the network
learns to stream. A run folder holds log.csv, checkpoint.pt (to resume exactly; not for shipping) and
averaged.safetensors.
"""

import csv
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hearsim.errors import HearsimError
from hearsim.paths import write_atomically
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.pack import save_weights
from hearsim.training.data import Mixer, Stretches, read_tracks
from hearsim.training.losses import loss_of
from hearsim.training.spec import OptimizerSpec, TrainSpec


def learning_rate(step: int, spec: OptimizerSpec) -> float:
    """Return the rate at a step: linear warm-up, then a cosine down to 1 % of the peak."""
    if step < spec.warm_up:
        return spec.learning_rate * (step + 1) / spec.warm_up
    done = (step - spec.warm_up) / max(1, spec.steps - spec.warm_up)
    return spec.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


Batch = tuple[Tensor, Tensor]
"""Stems (batch, stems, channels, context + frames), and 1 for each example that goes on, 0 for one that begins."""


def batches(stretches: Stretches, first: int, last: int) -> Iterator[Batch]:
    """Yield the batches of the steps first .. last - 1, each prepared while the one before is trained on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(stretches.batch, first)
        for step in range(first, last):
            stems, fresh = coming.result()
            coming = pool.submit(stretches.batch, step + 1)
            yield torch.from_numpy(stems), torch.from_numpy(~fresh).float()


def train(  # noqa: PLR0915  one loop, read from top to bottom
    spec: TrainSpec, run: Path, resume: bool = False, start_from: Path | None = None
) -> Path:
    """Train one network; return the path of its averaged weights.

    `resume` goes on exactly where the run folder's checkpoint stands; `start_from` takes averaged weights of an
    earlier run as the start of a new one. Raises `HearsimError` for a folder that already holds a run.
    """
    optim, checkpoint, averaged = spec.optimizer, run / "checkpoint.pt", run / "averaged.safetensors"
    if run.exists() and any(run.iterdir()) and not resume:
        raise HearsimError(f"{run} already holds a run: give --resume, or another folder")
    run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(optim.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(optim.seed)

    out = (*spec.data.held_out, *spec.data.left_out)
    tracks = [
        track
        for track in read_tracks(spec.data.root, spec.data.cache)
        if not any(fnmatch(track.name, pattern) for pattern in out)
    ]
    net = HSTasNet(HSTasNetConfig(**spec.model.model_dump(exclude={"name"}))).train()
    if start_from is not None:
        net.load_state_dict(load_file(start_from))
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(optim.average)
    )
    optimizer = torch.optim.AdamW(net.parameters(), optim.learning_rate, weight_decay=optim.weight_decay, fused=True)
    piece = round(optim.seconds * net.rate / net.hop) * net.hop
    mixer = Mixer(tracks, piece * optim.pieces, spec.augmentation, spec.data.weights, net.rate)
    stretches = Stretches(mixer, optim.batch, optim.pieces, net.window - net.hop, optim.seed)
    memories = net.silent_memories(optim.batch)

    first, hours = 0, 0.0
    if resume:
        saved = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(saved["net"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first, hours, memories = saved["step"], saved["hours"], tuple(saved["memories"])

    def save(step: int) -> None:
        state = {
            "net": net.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        with write_atomically(checkpoint) as part:
            torch.save({**state, "memories": list(memories), "step": step, "hours": hours}, part)
        with write_atomically(averaged) as part:
            save_weights(average.module, part)  # type: ignore[arg-type]

    losses: list[float] = []
    started = saved_at = time.monotonic()
    before = hours
    with (run / "log.csv").open("a", newline="") as file:
        log = csv.writer(file)
        for step, (stems, goes_on) in enumerate(batches(stretches, first, optim.steps), start=first):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, optim)
            memories = tuple(memory.detach() * goes_on[:, None] for memory in memories)
            loss, memories = loss_of(net, stems, memories, getattr(torch, optim.precision))
            if not torch.isfinite(loss):
                raise HearsimError(f"the loss is {float(loss)} at step {step}: lower the learning rate")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), optim.clip)
            optimizer.step()
            average.update_parameters(net)

            losses.append(loss.item())
            now = time.monotonic()
            hours = before + (now - started) / 3600
            if (step + 1) % 20 == 0:
                heard = (step + 1 - first) * optim.batch * optim.seconds
                row = (
                    step + 1,
                    f"{np.mean(losses[-20:]):.5f}",
                    f"{hours:.4f}",
                    f"{heard / (now - started):.2f}",
                )
                log.writerow(row)
                file.flush()
                print(
                    f"step {row[0]} of {optim.steps}  loss {row[1]}  {row[2]} h  {row[3]} x real time",
                    flush=True,
                )
            if now - saved_at > 60 * optim.save_minutes:
                save(step + 1)
                saved_at = now
    save(optim.steps)
    return averaged
