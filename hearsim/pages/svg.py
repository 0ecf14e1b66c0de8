"""Figures as SVG."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from hearsim.core.errors import HearsimError
from hearsim.core.files import write_atomically, writes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Margins(NamedTuple):
    """Space around the axes of a figure, in inches."""

    left: float
    right: float
    bottom: float
    top: float


@contextmanager
def drawing(width_in: float, height_in: float, margins: Margins | None = None) -> Iterator[tuple["Figure", "Axes"]]:
    """Yield a figure and its axes under settings of our own, whatever the user's matplotlibrc says.

    Without margins they follow from the labels, which costs twice the time: the figure is drawn once to measure them.
    Raises `HearsimError` where MPLBACKEND names no backend, with which matplotlib can't be imported.
    """
    try:
        import matplotlib
    except ValueError as error:
        raise HearsimError(f"matplotlib can't be imported ({error}): unset MPLBACKEND, or name a backend") from None
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "hearsim", "svg.fonttype": "none", "font.size": 10})
        figure = Figure(figsize=(width_in, height_in), layout=None if margins else "constrained", facecolor="none")
        axes = figure.subplots()
        if margins:
            figure.subplots_adjust(
                left=margins.left / width_in,
                right=1 - margins.right / width_in,
                bottom=margins.bottom / height_in,
                top=1 - margins.top / height_in,
            )
        axes.set_facecolor("white")
        yield figure, axes


def save_svg(figure: "Figure", path: Path) -> None:
    """Write a figure as a file of its own, on white, whole or not at all; raises `WriteError`."""
    with writes(path), write_atomically(path) as part:
        figure.savefig(part, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


def svg(figure: "Figure", label: str, name: str) -> Markup:
    """Return a figure as an <svg> element with an accessible name.

    Inside an HTML page namespaces are not needed, ids must be unique, and a style for * would hit the whole page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' (xmlns|xmlns:xlink|version)="[^"]*"', "", text)
    text = re.sub(r' (width|height)="[^"]*pt"', "", text, count=2)
    text = re.sub(r'\bid="', f'id="{name}-', text).replace("url(#", f"url(#{name}-")
    text = text.replace('xlink:href="#', f'href="#{name}-').replace("xlink:href=", "href=")
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))
