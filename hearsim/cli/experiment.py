"""`hearsim experiment`: run and report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

    from hearsim.experiment.run import Outcome, Progress


experiment = typer.Typer(
    help="Run an experiment, every combination of its factors; or report it.", no_args_is_help=True
)
Spec = Annotated[Path, typer.Argument(help="The experiment (TOML): its factors and metrics.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run; out/experiment-NAME without it.")]
Songs = Annotated[Path | None, typer.Option(help="A folder of tracks with stems, in the place of the spec's songs.")]


@experiment.command()
def run(
    spec: Spec,
    out: Out = None,
    songs: Songs = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as there are cores without it.")
    ] = None,
    cluster: Annotated[str, typer.Option(help="A Dask scheduler, tcp://HOST:PORT, to compute the cells.")] = "",
    shard: Annotated[str, typer.Option(help="Only part K of N, as K/N, for job arrays.")] = "1/1",
    retry_failed: Annotated[bool, typer.Option(help="Compute cells that failed once more.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the plan and an estimate, and run nothing.")] = False,
    yes: Annotated[bool, typer.Option(help="Run however many cells there are.")] = False,
) -> None:
    """Compute every cell of an experiment that its folder doesn't hold yet, and write results.csv."""
    from hearsim.core.errors import HearsimError
    from hearsim.experiment.plan import MANY_CELLS, cells_of, count, parse_shard, shard_of, spec_folder
    from hearsim.experiment.run import Where, estimate
    from hearsim.experiment.run import run as run_cells
    from hearsim.experiment.spec import read_study

    part = parse_shard(shard)
    study = read_study(spec, songs)
    folder = out or spec_folder(study)
    factors = " x ".join(f"{len(levels)} {name}" for name, levels in study.levels().items())
    if (combinations := count(study)) > MANY_CELLS and not yes:
        raise HearsimError(f"{spec} makes {combinations:,} cells ({factors}): give --yes if that is what you want")
    cells = cells_of(study)
    typer.echo(f"{study.name}: {len(cells)} cells ({factors}), {len(study.metrics)} metrics each, into {folder}")
    if dry_run:
        for name, levels in study.levels().items():
            typer.echo(f"  {name}: {', '.join(levels)}")
        found = estimate(shard_of(cells, part), folder, workers, retry_failed, progress=_say_timing)
        typer.echo(
            f"{found.waiting} cells to compute, {found.shared} songs and separations to make: about "
            f"{_duration(found.seconds)} on {found.workers} cores ({found.cell_s:.2f} s a cell, {found.shared_s:.1f} s "
            "a song and its separation, timed here)"
        )
        return
    done = _with_bar(
        lambda progress: run_cells(study, cells, folder, Where(workers, cluster), part, retry_failed, progress)
    )
    typer.echo(f"{done.computed} cells computed, {done.held} were there, {done.failed} failed")
    if done.missing:
        typer.echo(f"{done.missing} cells of other shards are missing: results.csv comes with the last of them")
    else:
        typer.echo(f"results: {folder / 'results.csv'}")
    if done.failed:
        typer.echo("the failed ones stand in results.csv with their errors; --retry-failed computes them once more")
        raise typer.Exit(1)


@experiment.command()
def report(spec: Spec, out: Out = None) -> None:
    """Make tables, pictures and one page of an experiment's results."""
    from hearsim.experiment.page import write_report
    from hearsim.experiment.plan import spec_folder
    from hearsim.experiment.spec import read_study

    study = read_study(spec)
    typer.echo(f"report: {write_report(study, out or spec_folder(study))}")


def _with_bar(work: "Callable[[Progress], Outcome]") -> "Outcome":
    """Do work that tells its progress, with a bar for each thing that it tells of."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    name, rate = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[rate]}")
    columns = (name, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Bars(*columns, disable=not sys.stdout.isatty()) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, rate="")
            speed = bar.tasks[tasks[what]].speed
            bar.update(tasks[what], completed=done, rate=f"{speed:.1f}/s" if speed else "")

        return work(show)


def _say_timing(what: str, done: int, total: int) -> None:
    """Print a line for each excerpt that a dry run times, before it does."""
    if done < total:
        typer.echo(f"timing {what}: {done + 1} of {total} ...")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
