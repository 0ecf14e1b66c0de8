"""The bar of a render, on a terminal and on none."""

import io

from rich.console import Console

from hearsim.cli.tables import render_bar


def shown(terminal: bool) -> str:
    """What a render of 60 s writes that needs 5 s to begin and then 2 s for its first half."""
    now, out = [100.0], io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    with render_bar(console, lambda: now[0]) as show:
        now[0] += 5
        show(0.0, 60.0)
        now[0] += 2
        show(0.5, 60.0)
    return out.getvalue()


def test_the_speed_is_that_of_the_rendering_alone() -> None:
    assert "15.0 x real time" in shown(terminal=True)


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    assert shown(terminal=False) == ""
