"""`hearsim experiment report`: tables as CSV, pictures, and a page with all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hearsim.core.files import write_csv, write_text
from hearsim.core.units import counted
from hearsim.experiment.figures import Picture, cells, pictures
from hearsim.experiment.spec import Study
from hearsim.experiment.statistics import POOLED, Results, Summary, differences, read_results, summarise
from hearsim.experiment.store import RESULTS, check_plan
from hearsim.metrics.registry import metric as metric_of
from hearsim.pages.html import fill, number, table

PAGE, SUMMARY, DIFFERENCES = "report.html", "summary.csv", "differences.csv"


def write_report(study: Study, folder: Path) -> Path:
    """Write the report of a run beside its results; return the page.

    Raises `HearsimError` where the folder holds no results, or those of another experiment or version.
    """
    if folder.is_dir():
        check_plan(study, folder)
    results = read_results(study, folder / RESULTS)
    means = summarise(results)
    against = differences(results, study.report.baseline) if study.report.baseline else []
    _write(folder / SUMMARY, results, means)
    if study.report.baseline:
        _write(folder / DIFFERENCES, results, against)
    all_pictures = pictures(study, results, means, folder / "figures")
    page = folder / PAGE
    baseline = ", ".join(f"{factor} {level}" for factor, level in study.report.baseline.items())
    text = fill(
        "experiment/report.html.j2",
        title=study.report.title or f"Experiment {study.name}",
        summary=_summary(results),
        findings=_findings(results, means, against, baseline),
        note="Means over takes (a song and a seed); in brackets the 95 % interval by Student's t over takes, none for "
        f"one take. It is not over listeners: {POOLED!r} is the mean over these listeners.",
        sections=[_section(results, metric, all_pictures, means, against, baseline) for metric in results.values],
        missing=_missing(results),
    )
    write_text(page, text)
    return page


def _write(path: Path, results: Results, rows: Sequence[Summary]) -> None:
    head = ("metric", *results.condition, "listener", "mean", "low", "high", "takes")
    write_csv(path, head, ([row.metric, *row.condition, row.listener, *cells(row)] for row in rows))


def _summary(results: Results) -> str:
    sizes = ", ".join(counted(len(levels), factor) for factor, levels in results.levels.items())
    failed = f"; {len(results.failed)} failed" if results.failed else ""
    return f"{counted(results.cells, 'cell')} ({sizes}){failed}."


def _findings(results: Results, means: list[Summary], against: list[Summary], baseline: str) -> list[str]:
    """Return sentences: each metric's difference from the baseline by condition; without one its best and worst."""
    pooled = len(results.levels["listener"]) > 1
    people = f"mean of {len(results.levels['listener'])} listeners" if pooled else results.levels["listener"][0]
    listener = POOLED if pooled else results.levels["listener"][0]
    sentences = []
    for one in against:
        if one.listener == listener:
            sentences.append(f"{results.label(one.condition)}: {one.metric} {_change(one)} {baseline} ({people}).")
    for metric in results.values if not against else ():
        ranked = sorted((one.estimate.mean, one) for one in means if one.metric == metric and one.listener == listener)
        if len(ranked) > 1:
            (_, last), (_, first) = ranked[0], ranked[-1]
            sentences.append(
                f"{metric} is highest with {results.label(first.condition)}, {_interval(first)}, and lowest with "
                f"{results.label(last.condition)}, {_interval(last)} ({people})."
            )
    return sentences


def _change(one: Summary) -> str:
    """Return a difference as words, the interval in brackets; an interval that includes 0 shows no difference."""
    mean, low, high, _ = one.estimate
    unit = "" if metric_of(one.metric).unit == "0–1" else f" {metric_of(one.metric).unit}"
    if low is None or high is None:
        return f"differs by {number(mean, 3, '+')}{unit} (a single take, so no interval) from"
    interval = f"[{number(low, 3, '+')}, {number(high, 3, '+')}]"
    if low <= 0 <= high:
        return f"shows no difference, {number(mean, 3, '+')}{unit} {interval}, to"
    return f"is {number(abs(mean), 3)}{unit} {'higher' if mean > 0 else 'lower'} {interval} than with"


def _interval(one: Summary, sign: str = "-") -> str:
    mean, low, high, _ = one.estimate
    interval = "" if low is None else f" [{number(low, 3, sign)}, {number(high, 3, sign)}]"
    return f"{number(mean, 3, sign)}{interval}"


def _section(
    results: Results,
    metric: str,
    all_pictures: Sequence[Picture],
    means: list[Summary],
    against: list[Summary],
    baseline: str,
) -> dict[str, Any]:
    """Return a metric's pictures, the tables over all listeners, and those by listener."""
    sentence, unit = metric_of(metric).sentence, metric_of(metric).unit
    kinds = [(means, sentence, "-"), *([(against, f"difference to {baseline}, take by take", "+")] if against else [])]
    captions = [(rows, f"{metric}, {unit}: {meaning}", sign) for rows, meaning, sign in kinds]
    of_metric = [([one for one in rows if one.metric == metric], caption, sign) for rows, caption, sign in captions]
    return {
        "metric": metric,
        "pictures": [picture for picture in all_pictures if picture.metric == metric],
        "tables": [_table(results, rows, caption, sign) for rows, caption, sign in of_metric if rows],
        "by_listener": [_by_listener(results, rows, caption, sign) for rows, caption, sign in of_metric if rows],
    }


def _table(results: Results, rows: Sequence[Summary], caption: str, sign: str) -> Markup:
    """Return a table with a row for each condition, pooled over listeners where there are several."""
    listener = POOLED if any(row.listener == POOLED for row in rows) else results.levels["listener"][0]
    lines = [[results.label(row.condition), _interval(row, sign)] for row in rows if row.listener == listener]
    return table(caption, ("condition", "mean [95 % interval]"), lines, 1)


def _by_listener(results: Results, rows: Sequence[Summary], caption: str, sign: str) -> Markup:
    """Return a table with a row for each condition and listener."""
    lines = [
        [results.label(row.condition), row.listener, _interval(row, sign), str(row.estimate.takes)]
        for row in rows
        if row.listener != POOLED
    ]
    return table(f"{caption}, by listener", ("condition", "listener", "mean [95 % interval]", "takes"), lines, 2)


def _missing(results: Results) -> list[str]:
    items = [
        f"{metric}: no figure in {counted(count, 'cell')}: {why}"
        for metric, reasons in results.without.items()
        for why, count in reasons.items()
    ]
    factors = ", ".join(results.levels)
    items += [f"failed ({factors}: {', '.join(names)}): {error}" for names, error in results.failed.items()]
    return items
