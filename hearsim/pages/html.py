"""The pages' building blocks: numbers as people write them, tables that scroll by themselves, and the frame of all.

The frame and its style stand in page.html.in.
"""

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template


class Markup(str):
    """Text that is HTML already; all other text is escaped."""


Cell = str | Markup


def number(value: float | None, digits: int = 0, sign: str = "-") -> str:
    """Return a number with a true minus sign, or a dash where there is none."""
    return "–" if value is None else f"{value:{sign}z.{digits}f}".replace("-", "−")


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: int, sums: int = 0) -> str:
    """Return a table in a box that scrolls sideways by itself.

    The last `numbers` columns are set to the right, the last `sums` rows in bold. A row shorter than the head ends in
    one cell that spans the rest.
    """
    first = len(head) - numbers

    def css(column: int) -> str:
        return ' class="n"' if column >= first else ""

    cells = "".join(f'<th scope="col"{css(i)}>{escape(name)}</th>' for i, name in enumerate(head))
    lines = []
    for index, row in enumerate(rows):
        line = [f'<th scope="row">{_html(row[0])}</th>']
        for i, value in enumerate(row[1:], start=1):
            span = len(head) - i if i == len(row) - 1 else 1
            line.append(
                f"<td{css(i)}>{_html(value)}</td>" if span == 1 else f'<td colspan="{span}">{_html(value)}</td>'
            )
        bold = ' class="sum"' if index >= len(rows) - sums else ""
        lines.append(f"<tr{bold}>{''.join(line)}</tr>\n")
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{cells}</tr></thead>\n<tbody>{''.join(lines)}</tbody>"
        "</table></div>\n"
    )


def _html(value: Cell) -> str:
    return value if isinstance(value, Markup) else escape(value)


def whole_page(title: str, summary: str, body: str) -> str:
    """Return a page as HTML with nothing from outside; `body` is HTML already."""
    frame = Template(resources.files(__package__).joinpath("page.html.in").read_text(encoding="utf-8"))
    return frame.substitute(title=escape(title), summary=escape(summary), body=body)
