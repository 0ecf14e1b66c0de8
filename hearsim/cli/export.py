"""`hearsim export`: write a listening test, collect its ratings, analyse them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hearsim.cli.options import Json
from hearsim.cli.output import csv_records, print_json, print_tables


class _SpecOrCommand(TyperGroup):
    """A group whose first word may be a spec: then the command is `write`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `write` before an argument that is not a command and not --help."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["write", *args]
        return super().parse_args(ctx, args)


export = typer.Typer(
    cls=_SpecOrCommand,
    no_args_is_help=True,
    help="Write a listening test (`hearsim export SPEC` is `export write SPEC`), collect its ratings, analyse them.",
)


@export.command()
def write(
    spec: Annotated[Path, typer.Argument(help="Listening test (TOML).")],
    out: Annotated[Path | None, typer.Option(help="Folder of the test.", show_default="out/export-NAME")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export that holds no results.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept more than 1000 stimuli.")] = False,
) -> None:
    """Render the stimuli and write a test that is ready to run."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from hearsim.listening_test.build import build

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("rendering", total=None)
        folder = build(spec, out, force, yes, lambda done, total: bar.update(task, completed=done, total=total))
    typer.echo(f"{folder}: manifest.json describes every file; do not show it to participants")


@export.command()
def collect(
    folder: Annotated[Path, typer.Argument(help="Folder of the test.")],
    webmushra: Annotated[Path, typer.Option(help="Checkout of github.com/audiolabs/webMUSHRA.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8000,
) -> None:
    """Serve a webMUSHRA test on this machine and save its results, until Ctrl-C."""
    from hearsim.listening_test.collector import serve

    with serve(folder, webmushra, port, typer.echo) as server:
        for who, address in server.addresses().items():
            typer.echo(f"{who}: {address}")
        typer.echo(f"results go to {folder / 'results'}; Ctrl-C ends this")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("ended; every submitted result is saved")


@export.command()
def analyse(
    results: Annotated[
        Path, typer.Argument(help="Table of ratings, its folder, or the folder of the sessions of BeaqleJS.")
    ],
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest of the test.", show_default="manifest.json beside RESULTS")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and plot.", show_default="analysis beside RESULTS")
    ] = None,
    as_json: Json = False,
) -> None:
    """Post-screen the listeners (BS.1534-3), average the ratings, and correlate them with the objective metrics."""
    from hearsim.cli.tables import listening_test
    from hearsim.core.errors import HearsimError
    from hearsim.listening_test.analyse import analyse as run_analysis

    if not results.exists():
        raise HearsimError(f"{results} does not exist: give a table of ratings, or its folder")
    analysis = run_analysis(results, manifest, out)
    if as_json:
        tables = ("screening", "summary", "metrics")
        paths = {name: analysis.out / f"{name}.csv" for name in tables}
        print_json({name: csv_records(path) for name, path in paths.items() if path.is_file()})
        return
    print_tables(*listening_test(analysis))
    typer.echo(f"in {analysis.out}: screening.csv, summary.csv, joined.csv, metrics.csv, ratings.svg")
