"""Options and arguments that several commands share."""

from typing import Annotated

import typer

from hearsim.cli import completion

DEFAULT_PROFILE = "moderate-vocals-up"
_PROFILE = "Profile: a name from `hearsim show profiles`, or the path of a TOML file."

ProfileOption = Annotated[str, typer.Option(help=_PROFILE, autocompletion=completion.profiles)]
ProfileArgument = Annotated[str, typer.Argument(help=_PROFILE, autocompletion=completion.profiles)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
