"""Measured latency: an impulse and a chirp through a prepared chain, along every route separately."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from hearsim.core.alignment import onset, whitened_lag
from hearsim.core.audio import Format
from hearsim.core.composites import Chain, Parallel, Reblock
from hearsim.core.errors import HearsimError
from hearsim.core.latency import LatencyLedger, Origin
from hearsim.core.processor import Processor, check_stage, latency_ledger, walk
from hearsim.core.units import Curve


@runtime_checkable
class HasProbeSetting(Protocol):
    """A stage that might remove a probe, with a setting that lets it pass."""

    def probe(self, on: bool) -> None:
        """Let a latency probe pass, or return to the settings."""


class ProbeResult(NamedTuple):
    """The live delays in samples of all channels, by probe; an empty set where a channel stays silent.

    An impulse is exact for filters of minimum phase, but reads the pre-ringing of a filter of zero phase as its onset;
    a chirp is exact for those, but half a sample late for a low-pass.
    """

    impulse: set[int]
    chirp: set[int]

    @property
    def consistent_delay(self) -> int | None:
        """The delay that both probes show in all channels; None where they differ."""
        return next(iter(self.chirp)) if self.impulse == self.chirp and len(self.chirp) == 1 else None

    def __str__(self) -> str:
        delays = {"impulse": self.impulse, "chirp": self.chirp}
        return ", ".join(f"{probe} {' or '.join(map(str, sorted(one))) or 'lost'}" for probe, one in delays.items())


def measured_ledger(chain: Processor, fmt: Format) -> LatencyLedger:
    """Return the ledger of a chain prepared for `fmt`, each stage probed separately; prepares it.

    An entry is marked "measured" where the probes through its stage agree with its declaration; all others stay
    "declared", and so does the wait for the input block, which is in the driver.
    """
    ledger = latency_ledger(chain, fmt)
    first, *entries = ledger.entries
    with _probing(chain):
        pairs = zip(entries, _sources(chain, fmt), strict=True)
        probed = [entry._replace(source=source) for entry, source in pairs]
    return LatencyLedger(ledger.rate, (first, *probed), ledger.input_block)


def measure(chain: Processor, fmt: Format) -> int:
    """Return the live delay in samples, measured with an impulse and a chirp through a prepared chain.

    The chain runs behind a driver that hands over a block when it is full and plays the answer while the next one
    fills. Each route through it is probed separately, so one branch can't hide another; a separator's network is
    probed with its masks open, through its own framing and overlap-add. Raises `HearsimError` where routes, channels,
    impulse and chirp do not all agree.

    Examples
    --------
    >>> from hearsim.core.composites import Delay
    >>> measure(Delay(100), Format(44100, 2, 512))  # one input block, and the delay
    612
    """
    check_stage("measure", chain)
    chain.prepare(fmt)
    with _probing(chain):
        results = [(route, _probe(route, fmt, chain.latency)) for route in routes(chain)]
    delays = {result.consistent_delay for _, result in results}
    delay = delays.pop()
    if delays or delay is None:
        each = "; ".join(f"{result} by way of {', '.join(stage.name for stage in route)}" for route, result in results)
        raise HearsimError(f"{chain.name} has no single delay, so a stage is not as late as it declares: {each}")
    return delay


def probe_latency(stage: Processor, fmt: Format) -> ProbeResult:
    """Return the live delay of one stage by an impulse and a chirp; prepares it."""
    stage.prepare(fmt)
    with _probing(stage):
        return _probe([stage], fmt, stage.latency)


def routes(stage: Processor) -> list[list[Processor]]:
    """Return every route through a prepared stage: the stages passed, one branch of each Parallel at a time."""
    if isinstance(stage, Chain):
        paths: list[list[Processor]] = [[]]
        for inner in stage.stages:
            paths = [before + after for before in paths for after in routes(inner)]
        return paths
    if isinstance(stage, Parallel):
        pairs = zip(stage.stages, stage.matches, strict=True)
        return [[*route, match] for branch, match in pairs for route in routes(branch)]
    return [[stage]]


@contextmanager
def _probing(chain: Processor) -> Iterator[None]:
    """Let probes pass all stages in the body; then restore the stages' settings and reset them."""
    stages = [stage for stage in walk(chain) if isinstance(stage, HasProbeSetting)]
    try:
        for stage in stages:
            stage.probe(True)
        yield
    finally:
        for stage in stages:
            stage.probe(False)
        chain.reset()


def _sources(stage: Processor, fmt: Format) -> list[Origin]:
    """Return the source of each entry of a prepared stage: measured where its probes agree with its declaration."""
    declared = len(stage.latency_entries())
    origins: list[Origin] = []
    if isinstance(stage, Chain):
        pairs = zip(stage.stages, stage.formats[:-1], strict=True)
        origins = [source for inner, before in pairs for source in _sources(inner, before)]
    elif isinstance(stage, Parallel):
        origins = _sources(stage.slowest, fmt)
    if origins and len(origins) == declared:
        return origins
    agrees = _probe([stage], fmt, stage.latency).consistent_delay == fmt.block + stage.latency
    inside = _sources(stage.stage, stage.format) if isinstance(stage, Reblock) else []
    agrees = agrees and "declared" not in inside  # the difference is in the stage itself
    outer: list[Origin] = ["measured" if agrees else "declared"]
    return outer * declared if len(inside) >= declared else outer * (declared - len(inside)) + inside


def _probe(route: list[Processor], fmt: Format, latency: int) -> ProbeResult:
    """Send both probes through stages in a row; `latency` is about the delay to expect."""
    start = 4 * fmt.block + fmt.block // 3
    frames = start + latency + 16 * fmt.block + 8192
    impulse, chirp = np.zeros(frames), np.zeros(frames)
    impulse[start] = 0.01
    chirp[start : start + 4096] = 0.01 * _chirp(4096)
    sharp, long = _played(route, impulse, fmt), _played(route, chirp, fmt)
    return ProbeResult(
        {onset(one) - start for one in sharp} if sharp.any(axis=1).all() else set(),
        {whitened_lag(chirp, one) for one in long} if long.any(axis=1).all() else set(),
    )


def _played(route: list[Processor], probe: Curve, fmt: Format) -> Curve:
    """Play a probe to all channels through a double-buffered driver; return the output, one row per channel."""
    for stage in route:
        stage.reset()
    output: list[Curve] = []
    for start in range(0, probe.size - fmt.block + 1, fmt.block):
        block = np.zeros(fmt.shape, np.float32) + probe[start : start + fmt.block].astype(np.float32)
        for stage in route:
            block = stage.process(block)
        output.append(block.astype(np.float64).reshape(-1, fmt.block))
    return np.concatenate(
        [np.zeros_like(output[0]), *output[:-1]], axis=1
    )  # a block is played while the next is recorded


def _chirp(frames: int) -> Curve:
    """Return a linear sweep from 0 Hz to the Nyquist rate."""
    t = np.arange(frames)
    sweep: Curve = np.sin(0.5 * math.pi * t * t / frames)
    return sweep
