"""`hearsim experiment report`: tables as CSV, pictures, and a page with all of them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hearsim.core.files import write_csv, write_text
from hearsim.core.units import counted
from hearsim.experiment.effects import without_effect
from hearsim.experiment.figures import Picture, cells, pictures
from hearsim.experiment.spec import Study
from hearsim.experiment.statistics import POOLED, Results, Summary, differences, read_results, summarise
from hearsim.experiment.store import RESULTS, check_plan
from hearsim.metrics.registry import metric as metric_of
from hearsim.pages.html import fill, number, table

PAGE, SUMMARY, DIFFERENCES = "report.html", "summary.csv", "differences.csv"
_COUNT = "times"
_UNITS = {"0–1": "", _COUNT: "", "%": "percentage points", "LUFS": "LU", "dB SPL": "dB", "dBFS": "dB"}
"""Units of differences, where they are others than those of the figures."""


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
        findings=[*_findings(results, means, against, baseline), *(f"{one}." for one in without_effect(results))],
        note=f"{_beside(results, study.report.baseline)}Means over takes (a song and a seed); in brackets the 95 % "
        f"interval by Student's t over takes, none for one take. It is not over listeners: {POOLED!r} is the mean over "
        "these listeners.",
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
    """Return sentences on each metric's differences from the baseline; without one on its best and worst condition.

    Differences come first, those of a single take next; the conditions without one share a sentence for each metric.
    """
    pooled = len(results.levels["listener"]) > 1
    people = f"mean of {len(results.levels['listener'])} listeners" if pooled else results.levels["listener"][0]
    listener = POOLED if pooled else results.levels["listener"][0]
    shown = sorted((one for one in against if one.listener == listener), key=lambda one: one.estimate.low is None)
    sentences = [
        f"{results.label(one.condition)}: {one.metric} {_change(one)} {baseline} ({people})."
        for one in shown
        if not _shows_none(one)
    ]
    for metric in results.values:
        if alike := [one for one in shown if one.metric == metric and _shows_none(one)]:
            why = "equal figures of a single take" if alike[0].estimate.low is None else "the interval includes 0"
            conditions = "; ".join(results.label(one.condition) for one in alike)
            sentences.append(f"{metric} shows no difference to {baseline} ({why}) with {conditions} ({people}).")
    for metric in results.values if not against else ():
        ranked = sorted((one.estimate.mean, one) for one in means if one.metric == metric and one.listener == listener)
        if len(ranked) > 1:
            (_, last), (_, first) = ranked[0], ranked[-1]
            sentences.append(
                f"{metric} is highest with {results.label(first.condition)}, {_interval(first)}, and lowest with "
                f"{results.label(last.condition)}, {_interval(last)} ({people})."
            )
    return sentences


def _beside(results: Results, baseline: Mapping[str, str]) -> str:
    """Return a sentence on the factors of the condition whose levels are not compared in the findings."""
    others = [name for name in results.condition if name not in baseline and len(results.levels[name]) > 1]
    if not baseline or not others:
        return ""
    which = ", ".join(others)
    return f"Findings compare levels of {', '.join(baseline)}; for those of {which} name one in report.baseline. "


def _shows_none(one: Summary) -> bool:
    """Return whether the interval of a difference includes 0, or a single take has none."""
    mean, low, high, _ = one.estimate
    return mean == 0 if low is None or high is None else low <= 0 <= high


def _change(one: Summary) -> str:
    """Return a difference as words that no unit makes a ratio, the interval in brackets."""
    mean, low, high, _ = one.estimate
    digits, unit = _digits(one.metric), f" {_unit_of_difference(one.metric)}".rstrip()
    if mean and not round(mean, digits):
        digits = 1 - math.floor(math.log10(abs(mean)))
    if low is None:
        return f"differs by {number(mean, digits, '+')}{unit} (a single take, so no interval) from"
    interval = f"[{number(low, digits, '+')}, {number(high, digits, '+')}]"
    return f"is {'higher' if mean > 0 else 'lower'} by {number(abs(mean), digits)}{unit} {interval} than with"


def _interval(one: Summary, sign: str = "-") -> str:
    mean, low, high, _ = one.estimate
    digits = _digits(one.metric)
    interval = "" if low is None else f" [{number(low, digits, sign)}, {number(high, digits, sign)}]"
    return f"{number(mean, digits, sign)}{interval}"


def _unit_of_difference(metric: str) -> str:
    unit = metric_of(metric).unit
    return _UNITS.get(unit, unit)


def _digits(metric: str) -> int:
    return 1 if metric_of(metric).unit == _COUNT else 3


def _section(
    results: Results,
    metric: str,
    all_pictures: Sequence[Picture],
    means: list[Summary],
    against: list[Summary],
    baseline: str,
) -> dict[str, Any]:
    """Return a metric's pictures, the tables over all listeners, and those by listener."""
    captions = [(means, f"{metric}, {metric_of(metric).unit}: {metric_of(metric).sentence}", "-")]
    if against:
        name = ", ".join(filter(None, (metric, _unit_of_difference(metric))))
        captions.append((against, f"{name}: difference to {baseline}, take by take", "+"))
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
