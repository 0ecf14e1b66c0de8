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


def _command() -> None:
    from hearsim.cli.app import app

    for stream in (sys.stdout, sys.stderr):  # a terminal in ASCII or cp1252 shows what it can't print as "?"
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    warnings.showwarning = _print_note
    app(prog_name="hearsim")


def main() -> None:
    """Run the command line and exit with a code of `hearsim.cli.exits.ExitCode`."""
    try:
        from hearsim.cli.exits import run
    except KeyboardInterrupt:
        sys.exit(130)
    run(_command)
