"""HTML from templates: text is escaped unless it is `Markup`; numbers as people write them; tables.

A template lies in the folder of the page that it makes, under the name *.html.j2, and extends pages/page.html.j2, the
frame and style of all pages.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

Cell = str | Markup


def number(value: float | None, digits: int = 0, sign: str = "-") -> str:
    """Return a number with a true minus sign, or a dash for None."""
    return "–" if value is None else f"{value:{sign}z.{digits}f}".replace("-", "−")


@cache
def _environment() -> Environment:
    templates = FileSystemLoader(Path(__file__).parents[1])
    return Environment(
        loader=templates,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(template: str, **values: object) -> Markup:
    """Return a template with values filled in; `template` is its path in the package, "report/report.html.j2"."""
    return Markup(_environment().get_template(template).render(values))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: int, sums: int = 0) -> Markup:
    """Return a table in a box that scrolls sideways.

    The last `numbers` columns are set to the right, the last `sums` rows in bold. A row shorter than the head ends in
    one cell that spans the rest.
    """
    return fill("pages/table.html.j2", caption=caption, head=head, rows=rows, numbers=numbers, sums=sums)
