"""The bar of a render: the share that is done, the speed against real time, the time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def render_bar(
    console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[float, float], None]]:
    """Yield what takes the share that is done, 0 .. 1, and the song's length in seconds; silent but on a terminal.

    The clock starts with the first call: reading the song and loading the model is no rendering.
    """
    columns = (TextColumn("rendering"), BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, get_time=clock
    ) as progress:
        task = progress.add_task("render", total=1.0, speed="", start=False)

        def show(share: float, seconds: float) -> None:
            progress.start_task(task)
            elapsed = progress.tasks[0].elapsed or 0.0
            speed = f"{share * seconds / elapsed:.1f} x real time" if elapsed > 0 else ""
            progress.update(task, completed=share, speed=speed)

        yield show
