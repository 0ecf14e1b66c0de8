"""Tables of a comparison: a row for each group of tracks and each run, as text, as records and as CSV."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hearsim.core.files import write_csv
from hearsim.separation.net import STEMS
from hearsim.training.comparison import Run

COLUMNS = (
    *("group", "variant", "seed", "parameters", "live_ms", "audio_hours", "cpu_hours"),
    *(f"{stem}_db" for stem in STEMS),
    "overall_db",
)


class Row(NamedTuple):
    """The scores of a run on a group: energy SDR in dB per stem, None for a stem that no track has, and their mean."""

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
    by_stem = {stem: [stems[stem] for stems in scores if stem in stems] for stem in STEMS}
    stems = {stem: statistics.median(values) if values else None for stem, values in by_stem.items()}
    return Row(group, run, stems, statistics.fmean(value for value in stems.values() if value is not None))


def spread_db(table_rows: list[Row]) -> float | None:
    """Return the largest distance between two seeds of a variant, overall, in any group; None for a single seed."""
    seeds: dict[tuple[str, str], list[float]] = {}
    for row in table_rows:
        seeds.setdefault((row.group, row.run.variant), []).append(row.overall_db)
    distances = [max(values) - min(values) for values in seeds.values() if len(values) > 1]
    return max(distances, default=None)


def lines(runs: list[Run]) -> Iterator[str]:
    """Yield the table as text: a row per group and variant, each value the mean over the seeds."""
    table_rows = rows(runs)
    yield (
        f"{'tracks':<10}{'variant':<24}{'seeds':>6}{'M par.':>8}{'live ms':>9}"
        + "".join(f"{stem:>8}" for stem in (*STEMS, "overall"))
        + f"{'seeds apart':>13}"
    )
    for group, variant in dict.fromkeys((row.group, row.run.variant) for row in table_rows):
        same = [row for row in table_rows if (row.group, row.run.variant) == (group, variant)]
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
    spread = spread_db(table_rows)
    if spread is not None:
        yield f"two seeds of a variant are up to {spread:.2f} dB apart (overall): smaller differences are no result"


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.fmean(present) if present else None


def records(runs: list[Run]) -> list[dict[str, float | str | None]]:
    """Return the rows of the CSV as numbers by column; None for a missing value."""
    return [
        {
            "group": row.group,
            **row.run.model_dump(exclude={"scores"}),
            **{f"{stem}_db": value for stem, value in row.stems.items()},
            "overall_db": row.overall_db,
        }
        for row in rows(runs)
    ]


def write_table(path: Path, runs: list[Run]) -> None:
    """Write a CSV, a row for each group and run."""
    write_csv(path, COLUMNS, (record.values() for record in records(runs)))
