"""The command `hearsim`."""

import sys


def main() -> None:
    """Run the command line; bad input is one sentence on stderr and exit code 2."""
    from hearsim.cli.app import app
    from hearsim.core.errors import HearsimError

    try:
        app(prog_name="hearsim")
    except HearsimError as error:
        print(f"hearsim: {error}", file=sys.stderr)
        sys.exit(2)
