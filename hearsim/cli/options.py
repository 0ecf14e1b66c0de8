"""Options and arguments that several commands share."""

from typing import Annotated

import typer

DEFAULT_PROFILE = "moderate-vocals-up"

ProfileOption = Annotated[str, typer.Option(help="Profile: a name from `hearsim show`, or the path of a TOML file.")]
ProfileArgument = Annotated[
    str, typer.Argument(help="Profile: a name from `hearsim show`, or the path of a TOML file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
