"""`hearsim experiment`: run and report."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hearsim.cli.exits import ExitCode
from hearsim.cli.options import Json
from hearsim.cli.output import csv_records, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

    from hearsim.experiment.run import Estimate, Outcome, Progress


LINE_S = 60.0
"""Longest time without a line of progress, if a cell ends, where no terminal shows a bar."""
experiment = typer.Typer(
    help="Run all combinations of listeners, songs, mixes, aids and models, and report the results.",
    no_args_is_help=True,
)
Spec = Annotated[Path, typer.Argument(help="Experiment (TOML): factors and metrics.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="out/experiment-NAME")]
Songs = Annotated[
    Path | None, typer.Option(help="Folder of tracks with stems that replaces the songs of SPEC.", show_default=False)
]


@experiment.command()
def run(
    spec: Spec,
    out: Out = None,
    songs: Songs = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes.", show_default="the number of cores")
    ] = None,
    cluster: Annotated[str, typer.Option(help="Compute the cells on the Dask scheduler tcp://HOST:PORT.")] = "",
    shard: Annotated[str, typer.Option(help="Compute part K of N only, as K/N, in a job array.")] = "1/1",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute failed cells again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and a forecast of the time, and end.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept any number of cells.")] = False,
) -> None:
    """Compute every missing cell of an experiment and write results.csv; an interrupted run continues."""
    from hearsim.core.errors import HearsimError
    from hearsim.core.units import counted
    from hearsim.experiment.effects import same_cells, without_effect
    from hearsim.experiment.plan import MANY_CELLS, cells_of, count, parse_shard, shard_of, spec_folder
    from hearsim.experiment.run import Where, estimate
    from hearsim.experiment.run import run as run_cells
    from hearsim.experiment.spec import read_study
    from hearsim.experiment.statistics import read_results
    from hearsim.experiment.store import RESULTS

    part = parse_shard(shard)
    study = read_study(spec, songs)
    folder = out or spec_folder(study)
    factors = " x ".join(counted(len(levels), factor) for factor, levels in study.levels().items())
    if (combinations := count(study)) > MANY_CELLS and not yes:
        raise HearsimError(f"{spec} makes {combinations:,} cells ({factors}): give --yes if that is what you want")
    cells = cells_of(study)
    metrics = counted(len(study.metrics), "metric")
    typer.echo(f"{study.name}: {counted(len(cells), 'cell')} ({factors}), {metrics} each, into {folder}")
    _print_notes(same_cells(study, cells))
    if dry_run:
        for name, levels in study.levels().items():
            typer.echo(f"  {name}: {', '.join(levels)}")
        _print_forecast(estimate(shard_of(cells, part), folder, workers, retry_failed, progress=_print_timing))
        return
    outcome = _with_bar(
        lambda progress: run_cells(study, cells, folder, Where(workers, cluster), part, retry_failed, progress)
    )
    _print_outcome(outcome, folder)
    if not outcome.missing:
        _print_notes(without_effect(read_results(study, folder / RESULTS)))
    if outcome.failed:
        raise typer.Exit(ExitCode.FAILED)


@experiment.command()
def report(spec: Spec, out: Out = None, as_json: Json = False) -> None:
    """Write tables, pictures and one page from the results of an experiment."""
    from hearsim.experiment.page import DIFFERENCES, SUMMARY, write_report
    from hearsim.experiment.plan import spec_folder
    from hearsim.experiment.spec import read_study

    study = read_study(spec)
    page = write_report(study, out or spec_folder(study))
    if as_json:
        tables = {"summary": page.with_name(SUMMARY), "differences": page.with_name(DIFFERENCES)}
        print_json({"page": str(page), **{name: csv_records(path) for name, path in tables.items() if path.is_file()}})
        return
    typer.echo(f"report: {page}")


def _print_notes(sentences: list[str]) -> None:
    for sentence in sentences:
        typer.echo(f"note: {sentence}")


def _with_bar(work: "Callable[[Progress], Outcome]") -> "Outcome":
    """Run work with a progress bar for each unit that it reports; with lines on stderr where there is no terminal."""
    if not sys.stdout.isatty():
        return work(_lines())
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    name, rate = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[rate]}")
    columns = (name, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Bars(*columns) as bar:
        tasks: dict[str, TaskID] = {}

        def show(unit: str, done: int, total: int) -> None:
            if unit not in tasks:
                tasks[unit] = bar.add_task(unit, total=total, rate="")
            speed = bar.tasks[tasks[unit]].speed
            bar.update(tasks[unit], completed=done, rate=f"{speed:.1f}/s" if speed else "")

        return work(show)


def _lines(clock: "Callable[[], float]" = time.monotonic) -> "Progress":
    """Return a progress that prints a line at each tenth, and where a tenth takes longer, about each minute."""
    printed: dict[str, tuple[int, float]] = {}

    def show(unit: str, done: int, total: int) -> None:
        tenth, now = 10 * done // total, clock()
        last, at = printed.setdefault(unit, (0, now))
        if tenth > last or now - at >= LINE_S:
            printed[unit] = tenth, now
            typer.echo(f"{unit}: {done} of {total}", err=True)

    return show


def _print_timing(unit: str, done: int, total: int) -> None:
    """Print a line before each excerpt that a dry run times."""
    if done < total:
        typer.echo(f"timing {unit}: {done + 1} of {total} ...")


def _print_forecast(forecast: "Estimate") -> None:
    from hearsim.core.units import counted

    typer.echo(
        f"{counted(forecast.waiting, 'cell')} to compute, {forecast.shared} songs and separations to make: about "
        f"{_duration(forecast.seconds)} on {counted(forecast.workers, 'core')} with the machine as busy as now "
        f"({forecast.cell_s:.2f} s a cell, {forecast.shared_s:.1f} s a song and its separation, timed here)"
    )


def _print_outcome(outcome: "Outcome", folder: Path) -> None:
    from hearsim.core.units import counted

    typer.echo(
        f"{counted(outcome.computed, 'cell')} computed, {outcome.earlier} reused from earlier runs, "
        f"{outcome.failed} failed"
    )
    if outcome.missing:
        typer.echo(f"{outcome.missing} cells of other shards are missing: results.csv comes with the last of them")
    else:
        typer.echo(f"results: {folder / 'results.csv'}")
    if outcome.failed:
        typer.echo("failed cells are in results.csv with their errors; --retry-failed computes them again")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
