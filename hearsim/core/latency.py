"""The latency ledger: the delay of each stage from input to ear, and verdicts on the sum.

Compute time is a deadline, never a delay: a block that is ready early is played at its time all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, NamedTuple

import numpy as np

from hearsim.core.audio import Format
from hearsim.core.units import samples_to_ms

Kind = Literal["algorithm", "buffering", "device", "acoustics"]
Origin = Literal["declared", "measured", "device-reported"]
Scenario = Literal["streamed music", "closed dome", "open dome"]

COLUMNS = ("part", "kind", "source", "samples", "ms", "sum ms")
LIVE_DELAY, PROCESSING_DELAY = "live delay", "processing delay (offline)"


class LatencyEntry(NamedTuple):
    """One row of a ledger.

    Attributes
    ----------
    name
        The stage, or the part of it, that causes the delay.
    samples
        Its delay in samples.
    kind
        "algorithm", "buffering", "device" or "acoustics".
    source
        Where the number comes from: "declared", "measured" or "device-reported".
    advice
        How to shorten it; "" without advice.

    Examples
    --------
    >>> LatencyEntry("Delay", 44, "buffering").source
    'declared'
    """

    name: str
    samples: int
    kind: Kind
    source: Origin = "declared"
    advice: str = ""


@dataclass(frozen=True)
class LatencyLedger:
    """The entries from microphone to ear at a rate in Hz.

    `input_block` is the wait for the input block in samples, the first entry; 0 where a device's delay
    includes it. `measured_samples` is the live delay measured by probes; None without a measurement.

    Examples
    --------
    >>> ledger = LatencyLedger.of(Format(44100, 2, 441), [LatencyEntry("Delay", 44, "buffering")])
    >>> print(ledger)
    part                        kind        source    samples     ms  sum ms
    input block of 441          buffering   declared      441  10.00   10.00
    Delay                       buffering   declared       44   1.00   11.00
    live delay                              declared      485          11.00
    processing delay (offline)  file shift  declared       44           1.00
    """

    rate: int
    entries: tuple[LatencyEntry, ...]
    input_block: int = 0
    measured_samples: int | None = None

    @classmethod
    def of(cls, fmt: Format, entries: Iterable[LatencyEntry]) -> "LatencyLedger":
        """Return the ledger of a chain in blocks of a format: the wait for the input block, then its entries."""
        block = LatencyEntry(f"input block of {fmt.block}", fmt.block, "buffering")
        return cls(fmt.rate, (block, *entries), fmt.block)

    @classmethod
    def from_json(cls, latency: Mapping[str, Any]) -> "LatencyLedger":
        """Return the ledger of a report.json's `latency`."""
        fields = LatencyEntry._fields
        entries = tuple(LatencyEntry(**{key: part[key] for key in fields if key in part}) for part in latency["parts"])
        block = latency["total_samples"] - latency["file_shift_samples"]
        return cls(latency["rate_hz"], entries, block, latency.get("measured_samples"))

    @property
    def total_samples(self) -> int:
        """The live delay: all entries."""
        return sum(entry.samples for entry in self.entries)

    @property
    def total_ms(self) -> float:
        """The live delay in milliseconds."""
        return samples_to_ms(self.total_samples, self.rate)

    @property
    def processing_samples(self) -> int:
        """The delay inside a rendered file ("file shift"): all entries but the wait for the input block."""
        return self.total_samples - self.input_block

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells under `COLUMNS`: a row per entry, then the live delay and the processing delay."""
        rows: list[tuple[str, ...]] = []
        total = 0
        for name, samples, kind, source, _ in self.entries:
            total += samples
            own, so_far = (f"{samples_to_ms(count, self.rate):.2f}" for count in (samples, total))
            rows.append((" ".join(name.split()), kind, source, str(samples), own, so_far))
        sums: list[tuple[str, str, Origin, int | None]] = [
            (LIVE_DELAY, "", "declared", self.total_samples),
            (LIVE_DELAY, "", "measured", self.measured_samples),
            (PROCESSING_DELAY, "file shift", "declared", self.processing_samples if self.input_block else None),
        ]
        for name, gloss, source, count in sums:
            if count is not None:
                rows.append((name, gloss, source, str(count), "", f"{samples_to_ms(count, self.rate):.2f}"))
        return rows

    def advice(self) -> list[str]:
        """Return advice on a shorter delay, each sentence with the entry to change."""
        return [f"{entry.name}: {entry.advice}" for entry in self.entries if entry.advice]

    def __str__(self) -> str:
        """Return the ledger as a table, and the advice below it."""
        rows = [COLUMNS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        line = "  ".join(f"{{:{side}{width}}}" for side, width in zip("<<<>>>", widths, strict=True))
        return "\n".join([*(line.format(*row).rstrip() for row in rows), *self.advice()])

    def _repr_html_(self) -> str:
        """Return the ledger as a table for a notebook."""
        lines = [
            f"<tr>{''.join(f'<{cell}>{escape(text)}</{cell}>' for text in row)}</tr>"
            for cell, rows in (("th", [COLUMNS]), ("td", self.rows()))
            for row in rows
        ]
        advice = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.advice())
        return f"<table><caption>Latency ledger</caption>{''.join(lines)}</table>{advice}"

    def to_json(self) -> dict[str, Any]:
        """Return the ledger with the keys of report.json."""
        table = {
            "rate_hz": self.rate,
            "parts": [{**entry._asdict(), "ms": samples_to_ms(entry.samples, self.rate)} for entry in self.entries],
            "total_samples": self.total_samples,
            "total_ms": self.total_ms,
            "file_shift_samples": self.processing_samples,
            "file_shift_ms": samples_to_ms(self.processing_samples, self.rate),
        }
        return table if self.measured_samples is None else {**table, "measured_samples": self.measured_samples}


class Verdict(NamedTuple):
    """Whether a live delay is short enough for a way of listening."""

    scenario: Scenario
    limit_ms: float | None
    ok: bool
    sentence: str


# Coloration is heard from about 1 ms beside direct sound (doi 10.1080/14992027.2022.2049380);
# 10 ms is the Open Speech Platform's budget for a closed aid
_LIMITS_MS: dict[Scenario, float | None] = {"streamed music": None, "closed dome": 10.0, "open dome": 1.0}


def verdicts(delay_ms: float) -> list[Verdict]:
    """Return a verdict on a live delay for each way of listening.

    Examples
    --------
    >>> [verdict.sentence for verdict in verdicts(6.8)][1:]
    ['OK: 6.8 ms is within the limit of 10 ms', 'too slow: 6.8 ms is over the limit of 1 ms']
    """
    result = []
    for scenario, limit in _LIMITS_MS.items():
        if limit is None:
            result.append(Verdict(scenario, None, True, "no limit: nothing else reaches the ear (lip-sync aside)"))
            continue
        ok = delay_ms <= limit
        word, relation = ("OK", "within") if ok else ("too slow", "over")
        result.append(
            Verdict(scenario, limit, ok, f"{word}: {delay_ms:.1f} ms is {relation} the limit of {limit:g} ms")
        )
    return result


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

    def to_json(self) -> dict[str, Any]:
        """Return the load with the keys of report.json."""
        times = {"p50": self.p50_ms, "p99": self.p99_ms, "max": self.max_ms}
        return {"deadline_ms": self.deadline_ms, "compute_ms": times, "load_p99": self.load_p99}


def load_of(seconds: list[float], fmt: Format) -> Load:
    """Return the load of measured times per block, in seconds."""
    times = np.array(seconds) * 1e3
    p50, p99 = np.percentile(times, (50, 99))
    return Load(samples_to_ms(fmt.block, fmt.rate), float(p50), float(p99), float(times.max()))


def latency_json(ledger: LatencyLedger, load: Load, scenario: Scenario | None = None) -> dict[str, Any]:
    """Return the `latency` of report.json: ledger, compute load, verdicts, and the aid's own way of listening."""
    table = {**ledger.to_json(), **load.to_json()}
    return {**table, "verdicts": [verdict._asdict() for verdict in verdicts(ledger.total_ms)], "scenario": scenario}


def is_own(verdict: Mapping[str, Any], latency: Mapping[str, Any]) -> bool:
    """Return whether a verdict of a report.json's `latency` is on the aid's own scenario; earlier reports lack it."""
    return bool(verdict["scenario"] == latency.get("scenario"))


def way_of_listening(verdict: Mapping[str, Any], latency: Mapping[str, Any]) -> str:
    """Return a verdict's way of listening; in a report.json's `latency` that of the aid itself is marked."""
    return f"{verdict['scenario']}{' (this aid)' if is_own(verdict, latency) else ''}"
