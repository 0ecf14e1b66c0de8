"""Tables for the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hearsim.core.latency import LatencyLedger, Load, way_of_listening
from hearsim.metrics.vocal_scores import REMIX_DB
from hearsim.training.evaluation_tables import (
    BESIDE,
    OCTAVES,
    Scores,
    Vocals,
    shown,
    stems_of,
    summarise,
    summarise_vocals,
)

if TYPE_CHECKING:
    from hearsim.listening_test.analyse import Analysis


@contextmanager
def render_bar(
    console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[float, float], None]]:
    """Yield a function of the finished share, 0 .. 1, and of the song's length in seconds; it prints on terminals only.

    The clock starts at the first call, after reading the song and loading the model.
    """
    columns = (TextColumn("rendering"), BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, get_time=clock
    ) as progress:
        task = progress.add_task("render", total=1.0, speed="", start=False)

        def show(share: float, seconds: float) -> None:
            progress.start_task(task)
            elapsed = progress.tasks[0].elapsed or 0.0
            speed = f"{share * seconds / elapsed:.1f} x real time" if elapsed > 0 else ""
            progress.update(task, completed=share, speed=speed)

        yield show


def latency(report_latency: dict[str, Any]) -> str:
    """Return the `latency` of a report as text: ledger, compute load, verdicts, the aid's own marked."""
    load = Load(report_latency["deadline_ms"], *(report_latency["compute_ms"][key] for key in ("p50", "p99", "max")))
    verdicts = [f"{way_of_listening(one, report_latency)}: {one['sentence']}" for one in report_latency["verdicts"]]
    times = f"compute per block: {load}; load (p99 / deadline) {100 * load.load_p99:.0f} %"
    times += " (other jobs of this machine are in it)"
    return "\n".join([str(LatencyLedger.from_json(report_latency)), times, *verdicts])


def metrics(report_metrics: dict[str, Any]) -> Table:
    """Return the metrics of a report, and the reasons for missing ones."""
    table = Table("metric", "of", title="Metrics", title_justify="left")
    table.add_column("value", justify="right")
    for name, values in report_metrics.items():
        if name == "unavailable":
            continue
        for key, value in values.items():
            shown = (
                ", ".join(f"{ear} {v:.3f}" for ear, v in value.items()) if isinstance(value, dict) else f"{value:.3f}"
            )
            table.add_row(name, key.replace("_", " "), shown)
    for name, why in report_metrics["unavailable"].items():
        table.add_row(name, "not computed", why)
    return table


def renders(reports: dict[str, dict[str, Any]]) -> Table:
    """Return length, loudness and limiting of several rendered songs, by name."""
    table = Table("song", title="Songs (loudness: BS.1770, both ears added)", title_justify="left")
    for header in (
        "length, s",
        "input loudness, dB SPL",
        "aided loudness, dB SPL",
        "heard loudness, dB SPL",
        "aided peak, dBFS",
        "limiter events",
    ):
        table.add_column(header, justify="right")
    for name, report in reports.items():
        loudness, peaks = (report["metrics"].get(metric, {}) for metric in ("loudness_db_spl", "peak_dbfs"))
        values = (*(loudness.get(sound) for sound in ("input", "aided", "heard")), peaks.get("aided"))
        events = sum(report["levels"]["mpo_events"].values())
        table.add_row(name, f"{report['input']['seconds']:.1f}", *map(shown, values), str(events))
    return table


def fitting(ears: dict[str, Any]) -> Table:
    """Return the aid's gains of a report's `fitting` per ear, at each input level."""
    table = _gains(ears, "insertion_gain_db", "Gain of the aid, dB")
    ratios = {ear: one["compression_ratio"] for ear, one in ears.items() if "compression_ratio" in one}
    if any(not np.allclose(ratio["in_force"], ratio["set"]) for ratio in ratios.values()):
        for ear, ratio in ratios.items():
            table.add_row(ear, f"ratio ({ratio['set']:g} set)", *(f"{one:.2f}" for one in ratio["in_force"]))
    return table


def eardrum(ears: dict[str, Any]) -> list[Table]:
    """Return the gains at the eardrum of a report's `fitting`, where there is a vent."""
    if not all("eardrum_gain_db" in one for one in ears.values()):
        return []
    return [
        _gains(ears, "eardrum_gain_db", "Gain at the eardrum, dB: aided sound less the vent's leak, and direct sound")
    ]


def _gains(ears: dict[str, Any], key: str, title: str) -> Table:
    table = Table("ear", "input", title=title, title_justify="left")
    first, *_ = ears.values()
    for frequency in first["frequencies_hz"]:
        table.add_column(f"{frequency:g}", justify="right")
    for level in first[key]:
        for ear, one in ears.items():
            table.add_row(ear, f"{level} dB SPL", *(f"{gain:z.1f}" for gain in one[key][level]))
    return table


def evaluation(scores: Scores) -> list[Table]:
    """Return the summary of an evaluation: a table per definition of SDR, from the mixture's row to the ceiling's."""
    stems = stems_of(scores)
    counts = {stem: len({name for name, rows in scores.items() for r in rows if r.stem == stem}) for stem in stems}
    tables = []
    for definition, rows in groupby(summarise(scores), lambda row: row.definition):
        if definition in BESIDE:
            continue
        title = f"{definition.name}, dB, {definition.over_tracks} over tracks"
        table = Table("\ntracks", title=title, title_justify="left")
        for header in (*(f"{stem}\n{counts[stem]}" for stem in stems), "overall"):
            table.add_column(header, justify="right")
        for row in rows:
            table.add_row(row.system, *map(shown, row.stems.values()), shown(row.overall))
        tables.append(table)
    return tables


def vocals(scores: Vocals) -> list[Table]:
    """Return what turning up the vocals gains, and the SDR of the vocals by octave."""
    remixes = Table(
        "", title=f"Vocals {REMIX_DB:+g} dB, 30 s with most of them, mean over tracks", title_justify="left"
    )
    octaves = Table("", title="SDR of the vocals by octave in Hz, dB, median over tracks", title_justify="left")
    for header in ("gain of ESTOI", "share of true stems", "false vocals, dB re mixture"):
        remixes.add_column(header, justify="right")
    for header in OCTAVES:
        octaves.add_column(header, justify="right")
    for row in summarise_vocals(scores):
        gain = "-" if row.estoi_gain is None else f"{row.estoi_gain:+.3f}"
        share = "-" if row.share is None else f"{100 * row.share:.0f} %"
        remixes.add_row(row.system, gain, share, shown(row.false_vocals_db))
        octaves.add_row(row.system, *map(shown, row.octave_sdr_db))
    return [remixes, octaves]


def score(scored: dict[str, Any]) -> list[Table]:
    """Return the metrics and levels of `hearsim score`, and the reasons for missing ones."""
    scores = Table("metric", title="Of the processed file", title_justify="left")
    scores.add_column("value", justify="right")
    for name, value in scored["metrics"].items():
        if value is not None:
            scores.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    for name, why in scored["unavailable"].items():
        scores.add_row(f"{name}: not computed", why)
    levels = Table("level", title="Levels", title_justify="left")
    for file in scored["levels"]:
        levels.add_column(file, justify="right")
    before, after = scored["levels"].values()
    for name, value in before.items():
        if isinstance(value, dict):
            for ear in value:
                levels.add_row(f"{name} {ear}", shown(value[ear]), shown(after[name][ear]))
        else:
            levels.add_row(name, shown(value), shown(after[name]))
    return [scores, levels]


def comparison(compared: dict[str, Any]) -> list[Table]:
    """Return the settings that differ between two renders, and their latency and metrics."""
    from hearsim.report.compare import LEGEND, number_cells, text_of

    first, second = compared["runs"]
    settings = Table("setting", first, second, title="Settings that differ", title_justify="left")
    for row in compared["settings"]:
        settings.add_row(row["key"], *map(text_of, row["values"]))
    tables = [settings] if compared["settings"] else []
    for name, title, head, digits in (("latency", "Latency, ms", "part", 2), ("metrics", "Metrics", "metric", 3)):
        numbers = Table(head, title=f"{title} ({LEGEND})", title_justify="left")
        for header in (first, second, "difference"):
            numbers.add_column(header, justify="right")
        for row in compared[name]:
            numbers.add_row(row["key"], *number_cells(row, digits))
        tables.append(numbers)
    return tables


def listening_test(analysis: "Analysis") -> list[Table]:
    """Return a listening test's excluded participants, its summary, and correlations of metrics with ratings."""
    tables = []
    if excluded := [one for one in analysis.listeners if one.why]:
        screened = Table("left out", "why", title="Post-screening, BS.1534-3", title_justify="left")
        for one in excluded:
            screened.add_row(one.participant, one.why)
        tables.append(screened)
    if unscreened := [one for one in analysis.listeners if one.note]:
        notes = Table("kept", "note", title="Not screened", title_justify="left")
        for one in unscreened:
            notes.add_row(one.participant, one.note)
        tables.append(notes)
    title = "Share of correct answers" if analysis.paired else "Ratings, mean over listeners"
    means = Table("group", "condition", title=title, title_justify="left")
    for header in ("listeners", "ratings", "mean", "95 % interval"):
        means.add_column(header, justify="right")
    digits = 2 if analysis.paired else 1
    for row in analysis.summary:
        has_interval = row.low is not None and row.high is not None
        interval = f"{row.low:.{digits}f} .. {row.high:.{digits}f}" if has_interval else "-"
        numbers = (str(row.listeners), str(row.ratings), f"{row.mean:.{digits}f}", interval)
        means.add_row(row.group, row.condition, *numbers)
    tables.append(means)
    if analysis.correlations:
        metrics = Table("metric", title="Correlation with the mean ratings of the stimuli", title_justify="left")
        for header in ("stimuli", "Pearson", "Spearman"):
            metrics.add_column(header, justify="right")
        for each in analysis.correlations:
            metrics.add_row(each.metric, str(each.stimuli), f"{each.pearson:.2f}", f"{each.spearman:.2f}")
        tables.append(metrics)
    return tables
