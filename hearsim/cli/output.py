"""Output of commands: tables for people, JSON for programs. User text is never read as markup."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


def console(stderr: bool = False) -> "Console":
    """Return a console on stdout or stderr that prints names literally, without markup and emoji."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, stderr=stderr)


def print_tables(*tables: Any) -> None:
    """Print rich tables, one below the other."""
    screen = console()
    for table in tables:
        screen.print(table)


def check_table(path: Path | None) -> None:
    """Raise `HearsimError` for a table in a missing folder, before it is computed."""
    from hearsim.core.errors import HearsimError

    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        why = "is a folder" if path.is_dir() else f"can't be written, for {path.parent} is not a folder"
        raise HearsimError(f"{path} {why}: choose another --table")


def csv_records(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV file by column: numbers as numbers, None for an empty cell."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: _value(cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def _value(cell: str) -> float | int | str | None:
    if not cell:
        return None
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that JSON lacks (NaN, infinity) are refused, as results have none."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))
