"""The table of a comparison of variants: per group of tracks the score of each variant, mean and spread over seeds.

Energy SDR (1 s frames), median over the tracks of a group, as in `hearsim.report.evaluation`; overall is the mean over
the stems.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hearsim.listener import STEMS
from hearsim.paths import write_csv
from hearsim.training.comparison import Run

COLUMNS = (
    *("group", "variant", "seed", "parameters", "live_ms", "audio_hours", "cpu_hours"),
    *(f"{stem}_db" for stem in STEMS),
    "overall_db",
)


class Row(NamedTuple):
    """What a run scores on a group: energy SDR in dB per stem, None for a stem that no track has, and their mean."""

    group: str
    run: Run
    stems: dict[str, float | None]
    overall_db: float


def rows(runs: list[Run]) -> list[Row]:
    """Return the scores of runs, group by group."""
    groups = dict.fromkeys(score.group for run in runs for score in run.scores)
    return [_row(group, run) for group in groups for run in runs]


def _row(group: str, run: Run) -> Row:
    scores = [score.stems for score in run.scores if score.group == group]
    found = {stem: [stems[stem] for stems in scores if stem in stems] for stem in STEMS}
    stems = {stem: statistics.median(values) if values else None for stem, values in found.items()}
    return Row(group, run, stems, statistics.fmean(value for value in stems.values() if value is not None))


def spread_db(found: list[Row]) -> float | None:
    """Return the largest distance between two seeds of a variant, overall, in any group; None for a single seed."""
    seeds: dict[tuple[str, str], list[float]] = {}
    for row in found:
        seeds.setdefault((row.group, row.run.variant), []).append(row.overall_db)
    distances = [max(values) - min(values) for values in seeds.values() if len(values) > 1]
    return max(distances, default=None)


def lines(runs: list[Run]) -> Iterator[str]:
    """Yield the table as text: a row a group and variant, each value the mean over the seeds."""
    found = rows(runs)
    yield (
        f"{'tracks':<10}{'variant':<24}{'seeds':>6}{'M par.':>8}{'live ms':>9}"
        + "".join(f"{stem:>8}" for stem in (*STEMS, "overall"))
        + f"{'seeds apart':>13}"
    )
    for group, variant in dict.fromkeys((row.group, row.run.variant) for row in found):
        same = [row for row in found if (row.group, row.run.variant) == (group, variant)]
        run, overall = same[0].run, [row.overall_db for row in same]
        sizes = "" if run.parameters is None else f"{run.parameters / 1e6:.3f}"
        delay = "" if run.live_ms is None else f"{run.live_ms:.1f}"
        means = [_mean([row.stems[stem] for row in same]) for stem in STEMS] + [statistics.fmean(overall)]
        apart = f"{max(overall) - min(overall):.2f}" if len(overall) > 1 else ""
        seeds = "" if run.seed is None else len(same)
        yield (
            f"{group:<10}{variant:<24}{seeds:>6}{sizes:>8}{delay:>9}"
            + "".join(f"{'' if value is None else f'{value:.2f}':>8}" for value in means)
            + f"{apart:>13}"
        )
    spread = spread_db(found)
    if spread is not None:
        yield f"two seeds of a variant are up to {spread:.2f} dB apart (overall): smaller differences are no result"


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def write_table(path: Path, runs: list[Run]) -> None:
    """Write a CSV, a row for each group and run."""
    write_csv(path, COLUMNS, _cells(runs))


def _cells(runs: list[Run]) -> Iterator[list[str]]:
    for group, run, stems, overall in rows(runs):
        numbers = [run.live_ms, run.audio_hours, run.cpu_hours, *stems.values(), overall]
        cells = ["" if value is None else f"{value:.4f}" for value in numbers]
        counts = ["" if value is None else str(value) for value in (run.seed, run.parameters)]
        yield [group, run.variant, *counts, *cells]
