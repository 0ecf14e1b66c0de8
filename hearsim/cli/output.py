"""What commands print: tables for people, JSON for programs. User text is never read as markup."""

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Return a console on stdout that prints names as they are: `[bt]` is no markup, `:mouse:` no emoji."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def print_tables(*tables: Any) -> None:
    """Print rich tables, one below the other."""
    screen = console()
    for table in tables:
        screen.print(table)


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that JSON lacks (NaN, infinity) are refused, for no result holds one."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))
