"""The command `hearsim`: its commands by subject. Each does its imports when it runs, so `hearsim --help` is quick."""

from typing import Annotated

import typer

from hearsim.cli import (
    bench,
    compare,
    devices,
    documentation,
    experiment,
    export,
    init,
    live,
    models,
    render,
    score,
    show,
    train,
)
from hearsim.cli.exits import EXIT_CODES

app = typer.Typer(
    help="Simulate hearing aids with real-time music separation inside.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        from hearsim import __version__

        typer.echo(f"hearsim {__version__}")
        raise typer.Exit


@app.callback()
def hearsim(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Simulate hearing aids with real-time music separation inside."""


SONGS, PROFILES, STUDIES, NETWORKS = "Songs through the aid", "Profiles and help", "Studies", "Separation networks"

app.command(rich_help_panel=SONGS)(render.render)
app.command(rich_help_panel=SONGS)(score.score)
app.command(rich_help_panel=SONGS)(compare.compare)
app.command(rich_help_panel=SONGS)(devices.devices)
app.add_typer(live.live, name="live", rich_help_panel=SONGS)
for command in (init.init, show.show, show.latency, show.metrics, documentation.docs):
    app.command(rich_help_panel=PROFILES)(command)
app.add_typer(experiment.experiment, name="experiment", rich_help_panel=STUDIES)
app.add_typer(export.export, name="export", rich_help_panel=STUDIES)
app.add_typer(models.models, name="models", rich_help_panel=NETWORKS)
app.add_typer(train.train, name="train", rich_help_panel=NETWORKS)
app.command(rich_help_panel=NETWORKS)(train.evaluate)
app.add_typer(bench.bench, name="bench", rich_help_panel=NETWORKS)
