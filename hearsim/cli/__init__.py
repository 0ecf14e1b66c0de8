"""The command `hearsim`."""

import sys
import warnings
from typing import TextIO


def _print_note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a note on the input as one sentence on stderr, any other warning as Python does."""
    from hearsim.core.errors import HearsimWarning

    if issubclass(category, HearsimWarning):
        print(f"hearsim: note: {message}", file=sys.stderr)
    else:
        _show_warning(message, category, filename, lineno, file, line)


_show_warning = warnings.showwarning


def main() -> None:
    """Run the command line; bad input is one sentence on stderr and exit code 2."""
    from hearsim.cli.app import app
    from hearsim.core.errors import HearsimError

    warnings.showwarning = _print_note
    try:
        app(prog_name="hearsim")
    except HearsimError as error:
        print(f"hearsim: {error}", file=sys.stderr)
        sys.exit(2)
