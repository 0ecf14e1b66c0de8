"""Means of results with intervals, per listener and pooled, and differences from a baseline.

Intervals are over (song, seed) pairs, "takes" in the tables: an interval holds for songs like these and
for these listeners. Pooled means are over the listeners of each take first.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.experiment.spec import CONDITION, Study

POOLED = "all"
CONFIDENCE = 0.95
Names = tuple[str, ...]


class Estimate(NamedTuple):
    """A mean with its 95 % interval (None with a single take), and the number of takes."""

    mean: float
    low: float | None
    high: float | None
    takes: int


def mean_interval(values: Sequence[float]) -> Estimate:
    """Return the mean and its 95 % interval by Student's t, which few takes widen as they must (Student 1908).

    The percentile bootstrap covers the mean of 2, 3, 5 and 10 normal values in 51, 75, 85 and 91 % of cases only.

    >>> mean_interval([1.0, 1.0, 1.0])
    Estimate(mean=1.0, low=1.0, high=1.0, takes=3)
    """
    sample = np.asarray(values, np.float64)
    if sample.size < 2:
        return Estimate(float(sample.mean()), None, None, sample.size)
    from scipy import stats

    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(sample.size)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, sample.size - 1)) * error
    return Estimate(mean, mean - half, mean + half, sample.size)


class Summary(NamedTuple):
    """One line of a table: a metric under a condition, for one listener or pooled."""

    metric: str
    condition: Names
    listener: str
    estimate: Estimate


@dataclass(frozen=True)
class Results:
    """The figures of an experiment, by metric and by the names of a cell's levels."""

    levels: dict[str, list[str]]  # of each factor, in the order of the spec
    values: dict[str, dict[Names, float]]
    failed: dict[Names, str]
    without: dict[str, dict[str, int]]  # per metric: reasons for missing figures, and their counts
    cells: int

    @property
    def condition(self) -> Names:
        """The factors of a condition: all but the first three."""
        return tuple(self.levels)[3:]

    @cached_property
    def conditions(self) -> list[Names]:
        """The levels of `condition` that occur, in the order of the spec."""
        combinations = {names[3:] for of_cells in self.values.values() for names in of_cells}
        order = [{level: index for index, level in enumerate(self.levels[factor])} for factor in self.condition]
        return sorted(combinations, key=lambda names: [ranks[name] for ranks, name in zip(order, names, strict=True)])

    def label(self, condition: Names, axis: str = "") -> str:
        """Return a condition by the levels of the factors that vary, without that of a picture's axis."""
        varying = [
            self.name(factor, level)
            for factor, level, levels in zip(self.condition, condition, zip(*self.conditions, strict=True), strict=True)
            if factor != axis and len(set(levels)) > 1
        ]
        return ", ".join(varying) or ("" if axis else condition[0])

    def name(self, factor: str, level: str) -> str:
        """Return a level's name, with its factor before it where the name alone doesn't tell which.

        It does for a mix, an aid or a model whose name is not a number, and not one of another factor as well.
        """
        shared = sum(level in levels for levels in self.levels.values()) > 1
        plain = factor in CONDITION and not shared and not level.lstrip("+-").replace(".", "", 1).isdecimal()
        return level if plain else f"{factor} {level}"

    def by_take(self, metric: str, condition: Names) -> dict[str, dict[Names, float]]:
        """Return for each listener the figure of each take (song, seed) under a condition; the pooled last."""
        by_listener: dict[str, dict[Names, float]] = {listener: {} for listener in self.levels["listener"]}
        for (listener, song, seed, *rest), value in self.values[metric].items():
            if tuple(rest) == condition:
                by_listener[listener][song, seed] = value
        return _with_pooled({listener: takes for listener, takes in by_listener.items() if takes})


def _with_pooled(by_listener: dict[str, dict[Names, float]]) -> dict[str, dict[Names, float]]:
    """Add each take's mean over listeners, for takes of all listeners."""
    if len(by_listener) < 2:
        return by_listener
    shared = set.intersection(*(set(takes) for takes in by_listener.values()))
    first = next(iter(by_listener.values()))
    pooled = {take: float(np.mean([takes[take] for takes in by_listener.values()])) for take in first if take in shared}
    return {**by_listener, POOLED: pooled} if pooled else by_listener


def read_results(study: Study, path: Path) -> Results:
    """Read results.csv of an experiment; raises `HearsimError` where it is missing, or of another experiment."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise HearsimError(
            f"{path} can't be read ({error.strerror}): run `hearsim experiment run {study.path}` to its end first"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise HearsimError(f"{path} is not the results of {study.path} ({error}): run the experiment again") from None
    if not rows:
        raise HearsimError(f"{path} holds no results: run the experiment again")
    if "missing_reason" not in rows[0] and "error" in rows[0]:
        raise HearsimError(
            f"{path} has the columns of an earlier version: run `hearsim experiment run {study.path}` again, which "
            "rewrites it from the saved cells"
        )
    levels = {factor: list(names) for factor, names in study.levels().items()}
    values: dict[str, dict[Names, float]] = {metric: {} for metric in study.metrics}
    failed: dict[Names, str] = {}
    without: dict[str, dict[str, int]] = {}
    try:
        for row in rows:
            names = tuple(row[factor] for factor in levels)
            for factor, name in zip(levels, names, strict=True):
                if name not in levels[factor]:
                    levels[factor].append(name)  # songs of another folder
            if not row["metric"]:
                failed[names] = row["missing_reason"]
            elif row["value"]:
                values[row["metric"]][names] = float(row["value"])
            else:
                reasons = without.setdefault(row["metric"], {})
                reasons[row["missing_reason"]] = reasons.get(row["missing_reason"], 0) + 1
    except (KeyError, ValueError, TypeError) as error:
        raise HearsimError(f"{path} is not the results of {study.path} ({error}): run the experiment again") from None
    cells = len({tuple(row[factor] for factor in levels) for row in rows})
    computed = {metric: takes for metric, takes in values.items() if takes}
    return Results(levels, computed, failed, without, cells)


def summarise(results: Results) -> list[Summary]:
    """Return all means with intervals: metric by metric, condition by condition, listeners and then pooled."""
    return [
        Summary(metric, condition, listener, mean_interval(list(takes.values())))
        for metric in results.values
        for condition in results.conditions
        for listener, takes in results.by_take(metric, condition).items()
    ]


def differences(results: Results, baseline: Mapping[str, str]) -> list[Summary]:
    """Return mean differences, take by take: each condition minus the same with the baseline's levels."""
    summaries = []
    for metric in results.values:
        for condition in results.conditions:
            levels = dict(zip(results.condition, condition, strict=True)) | dict(baseline)
            base = tuple(levels.values())
            if base == condition:
                continue
            values, base_values = (results.by_take(metric, names) for names in (condition, base))
            for listener, takes in values.items():
                against = base_values.get(listener, {})
                pairs = [value - against[take] for take, value in takes.items() if take in against]
                if pairs:
                    summaries.append(Summary(metric, condition, listener, mean_interval(pairs)))
    return summaries
