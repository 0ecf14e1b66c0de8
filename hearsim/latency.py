"""The latency ledger: what each part of the path declares, and what an impulse and a chirp measure through it.

Compute time is a deadline, never a delay: a block that is not ready in time is late, one that is waits for its turn.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from hearsim.audio import Format
from hearsim.errors import HearsimError
from hearsim.processor import Kind, Processor, walk
from hearsim.units import Curve, gain_to_db, samples_to_ms

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


def budget(chain: Processor, fmt: Format) -> Budget:
    """Return the declared ledger of a chain prepared for `fmt`; prepares it."""
    chain.prepare(fmt)
    rows = [Row(f"input block of {fmt.block}", fmt.block, "buffering", "declared")]
    rows += [Row(part.name, part.samples, part.kind, "declared") for part in chain.parts()]
    return Budget(fmt.rate, tuple(rows))


def measure(chain: Processor, fmt: Format) -> int:
    """Return the live delay in samples, measured with an impulse and a chirp through a prepared chain.

    The chain runs behind a driver that hands over a block when it is full and plays the answer while the next one
    fills. Mixes are set to 0 dB meanwhile, so that a probe is not taken for a drum and removed; the network runs.
    Raises `HearsimError` where impulse and chirp disagree.
    """
    chain.prepare(fmt)
    probes = [stage for stage in walk(chain) if isinstance(stage, HasProbeSetting)]
    try:
        for stage in probes:
            stage.probe(True)
        start = 4 * fmt.block + fmt.block // 3
        frames = start + chain.latency + 16 * fmt.block + 8192
        impulse, chirp = np.zeros(frames), np.zeros(frames)
        impulse[start] = 0.01
        chirp[start : start + 4096] = 0.01 * _chirp(4096)
        by_impulse = _arrival(_live(chain, impulse, fmt)) - start
        by_chirp = _whitened_lag(chirp, _live(chain, chirp, fmt))
    finally:
        for stage in probes:
            stage.probe(False)
        chain.reset()
    if by_impulse != by_chirp:
        raise HearsimError(f"the impulse measures {by_impulse} samples, the chirp {by_chirp}: no single delay")
    return by_impulse


def _live(chain: Processor, probe: Curve, fmt: Format) -> Curve:
    """Play a mono probe to all channels through a double-buffered driver; return the left output."""
    chain.reset()
    playing = np.zeros((fmt.channels, fmt.block), np.float32)
    output = []
    for start in range(0, probe.size - fmt.block + 1, fmt.block):
        output.append(playing[0].astype(np.float64))  # while this plays, the next block is captured
        captured = np.tile(probe[start : start + fmt.block].astype(np.float32), (fmt.channels, 1))
        playing = chain.process(captured).copy()
    return np.concatenate(output)


def _chirp(frames: int) -> Curve:
    """Return a linear sweep from 0 Hz to the Nyquist rate."""
    t = np.arange(frames)
    sweep: Curve = np.sin(0.5 * math.pi * t * t / frames)
    return sweep


def _arrival(response: Curve) -> int:
    """Return the first sample within 20 dB of the largest: minimum-phase filters answer at once, then ring."""
    magnitude = np.abs(response)
    return int(np.argmax(magnitude >= 0.1 * magnitude.max()))


def _whitened_lag(probe: Curve, response: Curve) -> int:
    """Return the lag of the peak of the phase-only cross-correlation (PHAT; Knapp & Carter 1976)."""
    size = 2 * probe.size
    cross = np.fft.rfft(response, size) * np.conj(np.fft.rfft(probe, size))
    lags = np.fft.irfft(cross / np.maximum(np.abs(cross), 1e-6 * np.abs(cross).max()))
    return int(np.argmax(lags[: probe.size]))


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
            sentence = f"{delay_ms:.1f} ms is no matter: there is no direct sound beside it (lips aside)"
            found.append(Verdict(scenario, None, True, sentence))
            continue
        ok = delay_ms <= limit
        relation = "within" if ok else "over"
        found.append(Verdict(scenario, limit, ok, f"{delay_ms:.1f} ms is {relation} the {limit:g} ms that suit it"))
    return found


def vent_comb(delay_ms: float, aided_over_direct_db: float) -> dict[str, float]:
    """Return the comb that direct and aided sound make: notch spacing and first notch in Hz, ripple in dB.

    Direct 1 plus aided g e^(-j w tau): notches 1/tau apart, the first at 1/(2 tau), ripple 20 lg (1+g)/|1-g|.

    >>> round(vent_comb(23.2, 15.3)["ripple_db"], 1)
    3.0
    """
    tau, g = 1e-3 * delay_ms, 10 ** (aided_over_direct_db / 20)
    ripple = gain_to_db((1 + g) / max(abs(1 - g), 1e-3))
    return {"spacing_hz": 1 / tau, "first_notch_hz": 0.5 / tau, "ripple_db": ripple}


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


def load_of(seconds: list[float], fmt: Format) -> Load:
    """Return the load of measured times per block, in seconds."""
    times = np.array(seconds) * 1e3
    p50, p99 = np.percentile(times, (50, 99))
    return Load(samples_to_ms(fmt.block, fmt.rate), float(p50), float(p99), float(times.max()))
