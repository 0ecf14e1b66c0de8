"""`hearsim compare`: two output folders of `hearsim render` side by side."""

from pathlib import Path
from typing import Annotated

import typer

from hearsim.cli.options import Json
from hearsim.cli.output import print_json, print_tables


def compare(
    first: Annotated[Path, typer.Argument(help="Output folder of a render.", metavar="RUN")],
    second: Annotated[Path, typer.Argument(help="Output folder of another.", metavar="RUN")],
    out: Annotated[
        Path | None, typer.Option(help="Page with a player of both.", show_default="comparison.html; none with --json")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier page.")] = False,
    as_json: Json = False,
) -> None:
    """Compare two renders: settings that differ, latency, metrics, and a page to listen to both."""
    from hearsim.cli.tables import comparison
    from hearsim.core.errors import HearsimError
    from hearsim.report.compare import compare as compare_runs
    from hearsim.report.compare import write_comparison

    page = Path("comparison.html") if out is None and not as_json else out
    if page is not None and page.exists() and not force:
        raise HearsimError(f"{page} is already there: choose another --out, or give --force")
    result = compare_runs(first, second)
    if page is not None:
        write_comparison(result, page)
    if as_json:
        print_json(result)
        return
    print_tables(*comparison(result))
    typer.echo(f"page: {page}")
