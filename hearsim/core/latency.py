"""The latency ledger: what each part of the path declares, and what an impulse and a chirp measure through it.

Compute time is a deadline, never a delay: a block that is not ready in time is late, one that is waits for its turn.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from hearsim.core.alignment import onset, whitened_lag
from hearsim.core.audio import Format
from hearsim.core.composites import Chain, Parallel, Reblock
from hearsim.core.errors import HearsimError
from hearsim.core.processor import Kind, Processor, check_stage, walk
from hearsim.core.units import Curve, samples_to_ms

Origin = Literal["declared", "measured", "device-reported"]
Scenario = Literal["streamed music", "closed dome", "open dome"]


@runtime_checkable
class HasProbeSetting(Protocol):
    """A stage that may take a probe for something to remove, and can be told to let it pass."""

    def probe(self, on: bool) -> None:
        """Let a latency probe pass, or return to the settings."""


class Row(NamedTuple):
    """One row: name, samples, kind of delay, and where the number comes from."""

    name: str
    samples: int
    kind: Kind
    source: Origin


@dataclass(frozen=True)
class Budget:
    """The rows from microphone to eardrum at a rate, the input block first."""

    rate: int
    parts: tuple[Row, ...]

    @property
    def total_samples(self) -> int:
        """The live delay: all rows."""
        return sum(part.samples for part in self.parts)

    @property
    def total_ms(self) -> float:
        """The live delay in milliseconds."""
        return samples_to_ms(self.total_samples, self.rate)

    @property
    def file_shift_samples(self) -> int:
        """The delay in a rendered file: all rows but the wait for the input block."""
        return self.total_samples - self.parts[0].samples

    def __str__(self) -> str:
        """Return the ledger as a table: each row, the sum so far, the live delay and the file shift."""
        lines = [f"{'part':<44}{'kind':<12}{'source':<10}{'samples':>8}{'ms':>8}{'sum ms':>8}"]
        total = 0
        for name, samples, kind, source in self.parts:
            total += samples
            own, so_far = samples_to_ms(samples, self.rate), samples_to_ms(total, self.rate)
            lines.append(f"{name:<44}{kind:<12}{source:<10}{samples:>8}{own:>8.2f}{so_far:>8.2f}")
        shift = self.file_shift_samples
        lines.append(f"{'live delay':<66}{total:>8}{'':8}{self.total_ms:>8.2f}")
        lines.append(
            f"{'file shift (without the input block)':<66}{shift:>8}{'':8}{samples_to_ms(shift, self.rate):>8.2f}"
        )
        return "\n".join(lines)


def budget(chain: Processor, fmt: Format) -> Budget:
    """Return the declared ledger of a chain prepared for `fmt`; prepares it.

    Examples
    --------
    >>> from hearsim.core.composites import Delay
    >>> ledger = budget(Delay(369), Format(44100, 2, 512))
    >>> ledger.total_samples, ledger.file_shift_samples, round(ledger.total_ms, 2)
    (881, 369, 19.98)
    """
    check_stage("budget", chain)
    chain.prepare(fmt)
    rows = [Row(part.name, part.samples, part.kind, "declared") for part in chain.parts()]
    return Budget(fmt.rate, (_input_block(fmt), *rows))


def measured_budget(chain: Processor, fmt: Format) -> Budget:
    """Return the ledger of a chain prepared for `fmt`, each stage probed by itself; prepares it.

    A row is marked "measured" where the probes through its stage agree with its declaration; all others stay
    "declared", and so does the wait for the input block, which is the driver's.
    """
    chain.prepare(fmt)
    with _probing(chain):
        return Budget(fmt.rate, (_input_block(fmt), *_rows(chain, fmt)))


def measure(chain: Processor, fmt: Format) -> int:
    """Return the live delay in samples, measured with an impulse and a chirp through a prepared chain.

    The chain runs behind a driver that hands over a block when it is full and plays the answer while the next one
    fills. Every way through it is heard by itself, so one branch can't hide another; a separator's network is probed
    with its masks open, through its own framing and overlap-add. Raises `HearsimError` where ways, channels, impulse
    and chirp do not all agree.

    Examples
    --------
    >>> from hearsim.core.composites import Delay
    >>> measure(Delay(100), Format(44100, 2, 512))  # one input block, and the delay
    612
    """
    check_stage("measure", chain)
    chain.prepare(fmt)
    with _probing(chain):
        ways = [(way, _heard(way, fmt, chain.latency)) for way in routes(chain)]
    delays = {found.agreed for _, found in ways}
    delay = delays.pop()
    if delays or delay is None:
        told = "; ".join(f"{found} by way of {', '.join(stage.name for stage in way)}" for way, found in ways)
        raise HearsimError(f"{chain.name} has no single delay, so a stage is not as late as it declares: {told}")
    return delay


class Heard(NamedTuple):
    """The live delays in samples that the channels show to either probe; none if one of them stays silent.

    An impulse is right for filters that answer at once and then ring (minimum phase), but the first that it meets of a
    filter without phase is its pre-ringing; a chirp is right for those, but half a sample late for a low-pass.
    """

    impulse: set[int]
    chirp: set[int]

    @property
    def agreed(self) -> int | None:
        """The one delay that both probes show in all channels; None if there is none."""
        return next(iter(self.chirp)) if self.impulse == self.chirp and len(self.chirp) == 1 else None

    def __str__(self) -> str:
        by = {"impulse": self.impulse, "chirp": self.chirp}
        return ", ".join(f"{probe} {' or '.join(map(str, sorted(late))) or 'lost'}" for probe, late in by.items())


def heard(stage: Processor, fmt: Format) -> Heard:
    """Return what an impulse and a chirp show of the live delay of one stage; prepares it."""
    stage.prepare(fmt)
    with _probing(stage):
        return _heard([stage], fmt, stage.latency)


def routes(stage: Processor) -> list[list[Processor]]:
    """Return every way through a prepared stage: the stages passed, one branch of each Parallel at a time."""
    if isinstance(stage, Chain):
        ways: list[list[Processor]] = [[]]
        for inner in stage.stages:
            ways = [before + after for before in ways for after in routes(inner)]
        return ways
    if isinstance(stage, Parallel):
        pairs = zip(stage.branches, stage.matches, strict=True)
        return [[*way, match] for branch, match in pairs for way in routes(branch)]
    return [[stage]]


def _input_block(fmt: Format) -> Row:
    return Row(f"input block of {fmt.block}", fmt.block, "buffering", "declared")


@contextmanager
def _probing(chain: Processor) -> Iterator[None]:
    """Open the stages that would take a probe for something to remove; then close and reset them all."""
    stages = [stage for stage in walk(chain) if isinstance(stage, HasProbeSetting)]
    try:
        for stage in stages:
            stage.probe(True)
        yield
    finally:
        for stage in stages:
            stage.probe(False)
        chain.reset()


def _rows(stage: Processor, fmt: Format) -> list[Row]:
    """Return the rows of a prepared stage, each measured if that can be."""
    if isinstance(stage, Chain):
        pairs = zip(stage.stages, stage.formats[:-1], strict=True)
        return [row for inner, before in pairs for row in _rows(inner, before)]
    if isinstance(stage, Parallel):
        return _rows(stage.slowest, fmt)
    agreed = _heard([stage], fmt, stage.latency).agreed == fmt.block + stage.latency
    inside = _rows(stage.stage, stage.format) if isinstance(stage, Reblock) else []
    agreed = agreed and all(row.source == "measured" for row in inside)  # what is left is the stage's own
    own = stage.parts()[0]
    return [Row(own.name, own.samples, own.kind, "measured" if agreed else "declared"), *inside]


def _heard(route: list[Processor], fmt: Format, late: int) -> Heard:
    """Send both probes through stages in a row; `late` is about the delay to expect."""
    start = 4 * fmt.block + fmt.block // 3
    frames = start + late + 16 * fmt.block + 8192
    impulse, chirp = np.zeros(frames), np.zeros(frames)
    impulse[start] = 0.01
    chirp[start : start + 4096] = 0.01 * _chirp(4096)
    sharp, long = _played(route, impulse, fmt), _played(route, chirp, fmt)
    return Heard(
        {onset(one) - start for one in sharp} if sharp.any(axis=1).all() else set(),
        {whitened_lag(chirp, one) for one in long} if long.any(axis=1).all() else set(),
    )


def _played(route: list[Processor], probe: Curve, fmt: Format) -> Curve:
    """Play a probe to all channels through a double-buffered driver; return what comes out, one row a channel."""
    for stage in route:
        stage.reset()
    output: list[Curve] = []
    for start in range(0, probe.size - fmt.block + 1, fmt.block):
        block = np.zeros(fmt.shape, np.float32) + probe[start : start + fmt.block].astype(np.float32)
        for stage in route:
            block = stage.process(block)
        output.append(block.astype(np.float64).reshape(-1, fmt.block))
    return np.concatenate([np.zeros_like(output[0]), *output[:-1]], axis=1)  # a block is played while the next comes


def _chirp(frames: int) -> Curve:
    """Return a linear sweep from 0 Hz to the Nyquist rate."""
    t = np.arange(frames)
    sweep: Curve = np.sin(0.5 * math.pi * t * t / frames)
    return sweep


class Verdict(NamedTuple):
    """Whether a delay suits a way of listening."""

    scenario: Scenario
    limit_ms: float | None
    ok: bool
    sentence: str


# Coloration is heard from about 1 ms beside direct sound (doi 10.1080/14992027.2022.2049380);
# 10 ms is the Open Speech Platform's budget for a closed aid
_LIMITS_MS: dict[Scenario, float | None] = {"streamed music": None, "closed dome": 10.0, "open dome": 1.0}


def verdicts(delay_ms: float) -> list[Verdict]:
    """Return a plain verdict on a live delay for each way of listening."""
    found = []
    for scenario, limit in _LIMITS_MS.items():
        if limit is None:
            sentence = "no limit: nothing else reaches the ear (lip-sync aside)"
            found.append(Verdict(scenario, None, True, sentence))
            continue
        ok = delay_ms <= limit
        relation = "within" if ok else "over"
        found.append(Verdict(scenario, limit, ok, f"{delay_ms:.1f} ms is {relation} the limit of {limit:g} ms"))
    return found


class Load(NamedTuple):
    """Compute time per block against its deadline."""

    deadline_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def load_p99(self) -> float:
        """p99 as a share of the deadline."""
        return self.p99_ms / self.deadline_ms

    def __str__(self) -> str:
        times = f"p50 {self.p50_ms:.3f}, p99 {self.p99_ms:.3f}, max {self.max_ms:.2f}"
        return f"{times} of {self.deadline_ms:.2f} ms"


def load_of(seconds: list[float], fmt: Format) -> Load:
    """Return the load of measured times per block, in seconds."""
    times = np.array(seconds) * 1e3
    p50, p99 = np.percentile(times, (50, 99))
    return Load(samples_to_ms(fmt.block, fmt.rate), float(p50), float(p99), float(times.max()))
