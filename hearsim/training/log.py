"""The log of a run: log.csv, a progress bar or lines on the terminal, TensorBoard on request."""

import csv
import sys
from pathlib import Path
from typing import Any, Self

from hearsim.core.errors import HearsimError
from hearsim.training.branches import BRANCHES

COLUMNS = ("step", "loss", "hours", "x_real_time", "learning_rate", "validation_db", *BRANCHES)


class RunLog:
    """The log of a run folder, from step `first` on; later rows of an interrupted run are deleted."""

    def __init__(self, run: Path, first: int, steps: int, tensorboard: bool, writes: bool) -> None:
        self._writes = writes  # only the first of several processes does
        if not writes:
            return
        path = run / "log.csv"
        rows = [row for row in self._rows(path) if int(row[0]) <= first]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        self._file = path.open("a", newline="")
        self._csv = csv.writer(self._file)
        self._steps, self._step = steps, first
        self._board = self._tensorboard(run) if tensorboard else None
        self._bar: Any = None

    @staticmethod
    def _rows(path: Path) -> list[list[str]]:
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return [row + [""] * (len(COLUMNS) - len(row)) for row in csv.reader(file)][1:]  # earlier ones are shorter

    @staticmethod
    def _tensorboard(run: Path) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise HearsimError("--tensorboard needs a package: pip install 'hearsim[tensorboard]'") from None
        return SummaryWriter(str(run))

    def __enter__(self) -> Self:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._writes and sys.stderr.isatty():
            from rich.console import Console

            text = TextColumn("{task.fields[status]}")
            columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), text, TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("", total=self._steps, completed=self._step, status="")
        return self

    def __exit__(self, *_: object) -> None:
        if not self._writes:
            return
        if self._bar is not None:
            self._bar.stop()
        if self._board is not None:
            self._board.close()
        self._file.close()

    def step(self, step: int) -> None:
        """Move the bar."""
        if self._writes and self._bar is not None:
            self._bar.update(self._task, completed=step)

    def row(
        self,
        step: int,
        loss: float,
        hours: float,
        speed: float,
        rate: float,
        validation_db: float | None,
        levels_db: dict[str, float | None],
    ) -> None:
        """Write a row: mean loss since the last one, hours so far, speed, learning rate, score, levels of branches."""
        if not self._writes:
            return
        score = "" if validation_db is None else f"{validation_db:.3f}"
        levels = ("" if (db := levels_db.get(branch)) is None else f"{db:.1f}" for branch in BRANCHES)
        self._csv.writerow((step, f"{loss:.5f}", f"{hours:.4f}", f"{speed:.2f}", f"{rate:.3g}", score, *levels))
        self._file.flush()
        status = f"loss {loss:.5f}  {hours:.3f} h  {speed:.1f} x real time" + (f"  {score} dB" if score else "")
        if self._bar is not None:
            self._bar.update(self._task, status=status)
        else:
            print(f"step {step} of {self._steps}  {status}", flush=True)
        if self._board is not None:
            values = {"loss": loss, "learning_rate": rate, "x_real_time": speed, "validation_db": validation_db}
            values |= levels_db
            for name, value in values.items():
                if value is not None:
                    self._board.add_scalar(name, value, step)
