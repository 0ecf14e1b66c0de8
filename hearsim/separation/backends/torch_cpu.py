"""The torch backend: one network, its state, one thread, traced once so that a step needs few Python calls."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hearsim.core.units import FloatArray


class _Flat(nn.Module):
    """A network's step with its state as a flat list of tensors, as tracing needs it."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, hop: Tensor, *flat: Tensor) -> tuple[Tensor, ...]:
        history, overlap, *recurrent_states = flat
        state = type(self.net.initial_state())(history, overlap, tuple(recurrent_states))
        output, after = self.net.step(hop, state)
        return output, after.history, after.overlap, *after.recurrent_states


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Set the number of torch's threads in the body, and restore it.

    The number is global to the process, and so to the program that uses hearsim.
    """
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if before != count:
            torch.set_num_threads(before)


class TorchStep:
    """Runs a network hop by hop: (channels, hop) in, (stems, channels, hop) out, float32.

    `backend` is the name of the runtime, for the report. A step runs on `threads` threads and flushes denormal numbers;
    both settings are restored after it for the calling program.
    """

    backend = "torch, traced, float32, 1 thread"
    threads = 1

    def __init__(self, net: Any) -> None:
        self._net = net.streaming()
        self.reset()
        with torch.inference_mode(), use_threads(1):
            example = (torch.zeros(1, net.channels, net.hop), *self._state)
            with warnings.catch_warnings():  # the trace is for one frame per step; jit is used although deprecated
                warnings.simplefilter("ignore")
                self._step = torch.jit.freeze(torch.jit.trace(_Flat(self._net).eval(), example, check_trace=False))
            for _ in range(4):  # the profiling executor optimises during its first calls
                self._step(*example)

    def reset(self) -> None:
        """Return to the state before the first hop."""
        history, overlap, recurrent_states = self._net.initial_state()
        self._state: tuple[Tensor, ...] = (history, overlap, *recurrent_states)

    def __call__(self, hop: FloatArray) -> FloatArray:
        """Separate the next hop; the result is valid until the next call."""
        torch.set_flush_denormal(True)
        try:
            with torch.inference_mode(), use_threads(self.threads):
                output, *state = self._step(torch.from_numpy(np.ascontiguousarray(hop))[None], *self._state)
        finally:
            torch.set_flush_denormal(False)
        self._state = tuple(state)
        stems: FloatArray = output[0].numpy()
        return stems
