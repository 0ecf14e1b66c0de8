"""The torch backend: one network, its state, one thread, traced once so that a step needs few Python calls."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

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


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Let this thread take denormal numbers for zero inside the block, then do as before."""
    before = np.float32(2e-38) / np.float32(4) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(bool(before))


@contextmanager
def own_compilation_unit() -> Iterator[None]:
    """Let torch.jit compile into a unit that is freed with its modules: the common one lasts as long as the process."""
    state = torch.jit._state
    common, state._python_cu = state._python_cu, torch._C.CompilationUnit()
    try:
        yield
    finally:
        state._python_cu = common


class TracedNetwork(NamedTuple):
    """A network with weights arranged for one frame, and its step as a traced function of hop and state."""

    net: Any
    step: Any


def trace(net: Any, passthrough: bool = False) -> TracedNetwork:
    """Trace one step of a network, with `passthrough` of one that passes the mixture; let the executor optimise it."""
    streaming = (net.with_passthrough_masks() if passthrough else net).streaming()
    history, overlap, recurrent_states = streaming.initial_state()
    with torch.inference_mode(), use_threads(1), own_compilation_unit():
        example = (torch.zeros(1, net.channels, net.hop), history, overlap, *recurrent_states)
        with warnings.catch_warnings():  # the trace is for one frame per step; jit is used although deprecated
            warnings.simplefilter("ignore")
            step = torch.jit.freeze(torch.jit.trace(_Flat(streaming).eval(), example, check_trace=False))
        for _ in range(4):  # the profiling executor optimises during its first calls
            step(*example)
    return TracedNetwork(streaming, step)


trace_model = lru_cache(maxsize=4)(trace)
"""`trace` for a model's network, which nothing changes: once per process."""


class TorchStep:
    """Runs a traced network hop by hop: (channels, hop) in, (stems, channels, hop) out, float32.

    `backend` is the name of the runtime, for the report. A step runs on `threads` threads and flushes denormal numbers;
    both settings are restored after it for the calling program.
    """

    backend = "torch, traced, float32, 1 thread"
    threads = 1

    def __init__(self, traced: TracedNetwork) -> None:
        self._net, self._step = traced
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first hop."""
        history, overlap, recurrent_states = self._net.initial_state()
        self._state: tuple[Tensor, ...] = (history, overlap, *recurrent_states)

    def __call__(self, hop: FloatArray) -> FloatArray:
        """Separate the next hop; the result is valid until the next call."""
        with torch.inference_mode(), use_threads(self.threads), flush_denormals():
            output, *state = self._step(torch.from_numpy(np.ascontiguousarray(hop))[None], *self._state)
        self._state = tuple(state)
        stems: FloatArray = output[0].numpy()
        return stems
