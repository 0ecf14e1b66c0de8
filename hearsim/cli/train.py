"""`hearsim train` and `hearsim evaluate`: learn separators and score them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hearsim.cli import completion
from hearsim.cli.old_forms import OldForms
from hearsim.cli.options import Json
from hearsim.cli.output import check_table, console, print_json, print_tables

if TYPE_CHECKING:
    from rich.console import Console


class _Train(OldForms):
    def rewrite(self, args: list[str]) -> list[str] | None:
        if not args or not (args[0].startswith("-") or args[0].endswith(".toml") or Path(args[0]).exists()):
            return None
        compares = "--variants" in args
        return ["compare" if compares else "run", *(arg for arg in args if arg != "--variants")]


train = typer.Typer(cls=_Train, no_args_is_help=True, help="Train a separator, or train and compare variants of one.")
RunFolder = Annotated[Path, typer.Option(help="Folder of the run: log, checkpoint, averaged weights.")]


@train.command()
def run(
    spec: Annotated[Path, typer.Argument(help="Training spec (TOML).")],
    run: RunFolder = Path("runs/train"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the run's checkpoint, also to more steps.")
    ] = False,
    start_from: Annotated[Path | None, typer.Option(help="Averaged weights of an earlier run to start from.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = False,
    list_data: Annotated[bool, typer.Option("--list", help="List the tracks and stems found, and end.")] = False,
) -> None:
    """Train a separator; under torchrun, in several processes."""
    from hearsim.training.loop import train as run_training
    from hearsim.training.spec import read_spec

    if list_data:
        typer.echo("\n".join(read_spec(spec).data.listing()))
        return
    typer.echo(f"averaged weights: {run_training(read_spec(spec), run, resume, start_from, tensorboard)}")


@train.command()
def compare(
    spec: Annotated[Path, typer.Argument(help="Variants of a training spec (TOML).")],
    run: RunFolder = Path("runs/train"),
    table: Annotated[Path | None, typer.Option(help="Also write the table to this CSV file.")] = None,
    as_json: Json = False,
) -> None:
    """Train and score variants of a spec side by side; an interrupted comparison continues."""
    from hearsim.training.comparison import Variants, run_variants
    from hearsim.training.comparison_tables import lines, records, write_table

    check_table(table)
    finished = []
    for finished_run in run_variants(Variants(spec), run):
        finished.append(finished_run)
        if table is not None:
            write_table(table, finished)
    if as_json:
        print_json(records(finished))
    else:
        typer.echo("\n".join(lines(finished)))


def evaluate(
    model: Annotated[
        str,
        typer.Argument(help="Model: a name from `hearsim models list`, or a folder.", autocompletion=completion.models),
    ],
    data: Annotated[Path, typer.Argument(help="Folder of tracks with four stems each.")],
    tracks: Annotated[
        list[str] | None, typer.Option(help="Track: name or pattern; may be repeated.", show_default="all tracks")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="File to pass over: name, path in DATA or pattern; may be repeated.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for scores and plot.", show_default="out/evaluate-MODEL")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a model on whole tracks, beside the mixture and the ideal ratio mask; an interrupted run continues."""
    from hearsim.cli.tables import evaluation as tables_of
    from hearsim.cli.tables import vocals as tables_of_vocals
    from hearsim.core.files import cache_folder
    from hearsim.training.evaluate import evaluate as run_evaluation
    from hearsim.training.evaluation_tables import (
        Scores,
        Vocals,
        describe_track,
        summary_records,
        vocal_records,
        write_plot,
        write_scores,
        write_vocals,
    )
    from hearsim.training.evaluation_tables import write_summary as write_table

    out = out or Path("out") / f"evaluate-{Path(model).name}"
    patterns, ignored = tuple(tracks or ["*"]), tuple(ignore or ())
    scores: Scores = {}
    vocals: Vocals = {}
    screen = console(stderr=as_json)
    with _bar(screen) as progress:
        for name, found in run_evaluation(model, data, cache_folder(), patterns, out, progress, ignored):
            if found is not None:
                scores[name], vocals[name] = found.scores, found.vocals
                write_scores(out / "scores.csv", scores)
                write_vocals(out / "vocals.csv", vocals)
            screen.print(describe_track(name, scores.get(name, [])), soft_wrap=True)
    write_table(out / "summary.csv", scores)
    write_plot(out / "scores.svg", scores)
    if as_json:
        print_json(
            {
                "folder": str(out),
                "tracks": list(scores),
                "summary": summary_records(scores),
                "vocals": vocal_records(vocals),
            }
        )
        return
    print_tables(*tables_of(scores), *tables_of_vocals(vocals))
    files = "scores.csv and vocals.csv (every track), summary.csv (the SDRs, and ISR, SIR and SAR), scores.svg"
    typer.echo(f"in {out}: {files}")


@contextmanager
def _bar(screen: "Console") -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on a terminal; yield a function of a track's name and the share of it that is separated."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task("reading", total=1.0)

        def progress(name: str, share: float) -> None:
            bar.update(task, description=name if share < 1 else f"{name}: scoring", completed=share)

        yield progress
