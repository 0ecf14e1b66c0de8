"""`hearsim models`: list the shipped models, package training runs as models."""

from pathlib import Path
from typing import Annotated

import typer

from hearsim.cli import completion
from hearsim.cli.old_forms import OldForms, is_option, without_option
from hearsim.cli.options import Json
from hearsim.cli.output import print_json


class _Models(OldForms):
    def rewrite(self, args: list[str]) -> list[str] | None:
        if not is_option(args):
            return None
        packs = any(arg == "--pack" or arg.startswith("--pack=") for arg in args)
        return ["pack", *without_option(args, "--pack")] if packs else ["list", *args]


models = typer.Typer(cls=_Models, help="List the shipped separation models, or package your own.")


@models.command("list")
def list_models(as_json: Json = False) -> None:
    """List the shipped models with their size and source."""
    from hearsim.cli.catalogue import shipped_models as rows

    if as_json:
        print_json(rows())
        return
    for row in rows():
        typer.echo(f"{row['name']}: {row['parameters'] / 1e6:.2f} M parameters, {row['weights']}. {row['description']}")


@models.command()
def pack(
    runs: Annotated[
        list[Path], typer.Argument(help="Training run (or its weights file) to package; repeat it for an ensemble.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new model; its name is the model's.")],
    summary: Annotated[str, typer.Option(help="One line for `hearsim models list`.")] = "",
    float16: Annotated[bool, typer.Option("--float16", help="Store weights as float16.")] = False,
    system: Annotated[
        str,
        typer.Option(
            help="System (see `hearsim show systems`), for weights that name none.", autocompletion=completion.systems
        ),
    ] = "",
) -> None:
    """Package training runs as a model folder; several runs make an ensemble."""
    from hearsim.separation.models import pack as make
    from hearsim.separation.registry import system as config_of

    info = make(runs, out, summary, "float16" if float16 else "float32", config_of(system) if system else None)
    megabytes = (out / "model.safetensors").stat().st_size / 1e6
    typer.echo(f"{out}: {info.name}, {info.parameters / 1e6:.2f} M parameters, {megabytes:.1f} MB; write its card.md")
