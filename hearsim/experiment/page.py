"""`hearsim experiment report`: tables as CSV, pictures, and one page that holds them all."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from hearsim.core.files import write_atomically, write_csv, writes
from hearsim.experiment.figures import cells, pictures
from hearsim.experiment.spec import Study
from hearsim.experiment.statistics import POOLED, RESAMPLES, Results, Summary, differences, read_results, summarise
from hearsim.experiment.store import RESULTS, check_plan
from hearsim.pages.html import Cell, fill, number, table
from hearsim.simulation.measures import METRICS

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
    drawn = pictures(study, results, means, folder / "figures")
    page = folder / PAGE
    baseline = ", ".join(f"{factor} {level}" for factor, level in study.report.baseline.items())
    text = fill(
        "experiment/report.html.j2",
        title=study.report.title or f"Experiment {study.name}",
        summary=_summary(results),
        pictures=drawn,
        note="Means over takes (a song and a seed); in brackets the 95 % interval of the percentile bootstrap over "
        f"takes, {RESAMPLES} times. Listeners are not drawn again: {POOLED!r} is the mean over these listeners.",
        means=[_table(results, metric, means, METRICS[metric].sentence) for metric in results.values],
        baseline=baseline,
        differences=against
        and [_table(results, metric, against, f"difference to {baseline}", "+") for metric in results.values],
        missing=_missing(results),
    )
    with writes(page), write_atomically(page) as part:
        part.write_text(text, encoding="utf-8")
    return page


def _write(path: Path, results: Results, rows: Sequence[Summary]) -> None:
    head = ("metric", *results.condition, "listener", "mean", "low", "high", "takes")
    write_csv(path, head, ([row.metric, *row.condition, row.listener, *cells(row)] for row in rows))


def _summary(results: Results) -> str:
    sizes = ", ".join(
        f"{len(levels)} {factor}{'' if len(levels) == 1 else 's' if factor != 'mix' else 'es'}"
        for factor, levels in results.levels.items()
    )
    failed = f"; {len(results.failed)} failed" if results.failed else ""
    return f"{results.cells} cells ({sizes}){failed}."


def _table(results: Results, metric: str, rows: Sequence[Summary], what: str, sign: str = "-") -> Markup | str:
    """Return a metric as a table: a row for each condition, a column for each listener and the pooled."""
    of_metric = {(row.condition, row.listener): row.estimate for row in rows if row.metric == metric}
    listeners = [name for name in (*results.levels["listener"], POOLED) if any(key[1] == name for key in of_metric)]
    lines: list[list[Cell]] = []
    for condition in results.conditions():
        found = [of_metric.get((condition, listener)) for listener in listeners]
        if not any(found):
            continue
        line: list[Cell] = [results.label(condition)]
        for one in found:
            if one is None or one.low is None:
                line.append(number(one.mean if one else None, 3, sign))
            else:
                line.append(f"{number(one.mean, 3, sign)} [{number(one.low, 3, sign)}, {number(one.high, 3, sign)}]")
        lines.append(line)
    unit = METRICS[metric].unit
    return table(f"{metric}, {unit}: {what}", ("condition", *listeners), lines, len(listeners)) if lines else ""


def _missing(results: Results) -> list[str]:
    items = [
        f"{metric}: no figure in {count} cell{'' if count == 1 else 's'}: {why}"
        for metric, reasons in results.without.items()
        for why, count in reasons.items()
    ]
    shown = ", ".join(results.levels)
    items += [f"failed ({shown}: {', '.join(names)}): {error}" for names, error in results.failed.items()]
    return items
