"""The folder of a run: a file per cell, written whole or not at all, and tables of all cells.

| file | content |
|---|---|
| plan.json | experiment and version of hearsim |
| cells/KEY.json | the record of a cell |
| shared/ | songs and separations that cells share; may be deleted at the end |
| audio/ | the outputs named in the spec |
| results.csv | the measures, in the order of the spec: the same bytes for any workers |
| results.parquet | the same, if pyarrow is installed |
| timings.csv | compute time of each cell, not part of the results |

The columns of results.csv: the factors; `cell`, the beginning of its key; `metric`, `value` and `unit`; and
`missing_reason`, the reason for a missing value or a failed cell (then `metric` is empty).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from hearsim.core.errors import HearsimError, WriteError
from hearsim.core.files import make_folder, read_json, write_atomically, write_csv, write_text, writes
from hearsim.core.results import check_is_folder, check_same
from hearsim.experiment.cell import Record
from hearsim.experiment.plan import Cell, plan_file
from hearsim.experiment.spec import FACTORS, Study
from hearsim.metrics.registry import metric as metric_of

PLAN, RESULTS, PARQUET, TIMINGS = "plan.json", "results.csv", "results.parquet", "timings.csv"
COLUMNS = ("metric", "value", "unit", "missing_reason")
TURN = ".run.lock"
"""Lock for writing files of all shards."""


class Store:
    """A run's folder, for one process at a time (one per shard); made by `open_store`."""

    def __init__(self, folder: Path, factors: tuple[str, ...] = FACTORS) -> None:
        self.folder, self.factors = folder, factors
        self._records: dict[str, Record] = {}

    def record(self, cell: Cell) -> Record | None:
        """Return the record of a cell; None for one to be computed."""
        if cell.key not in self._records:
            path = self._path(cell.key)
            if not path.exists():
                return None
            try:
                self._records[cell.key] = Record.model_validate_json(path.read_bytes())
            except ValidationError as error:
                raise HearsimError(f"{path} is not a record of a cell, or damaged: delete it, and run again") from error
        record = self._records[cell.key]
        return record.model_copy(update={"names": cell.names})  # levels may have been renamed since

    def save(self, record: Record) -> None:
        """Save a record; raises `WriteError`, and then all earlier ones are unchanged."""
        path = self._path(record.key)
        write_text(path, record.model_dump_json())
        self._records[record.key] = record

    def _path(self, key: str) -> Path:
        return self.folder / "cells" / f"{key}.json"

    def write_tables(self, records: Sequence[Record]) -> None:
        """Write the tables of all cells; shards write one after the other."""
        header, rows = (
            [*self.factors, "cell", *COLUMNS],
            [row for one in records for row in _rows(one)],
        )
        with FileLock(self.folder / TURN):
            write_csv(self.folder / RESULTS, header, rows)
            _write_parquet(self.folder / PARQUET, header, rows)
            write_csv(
                self.folder / TIMINGS,
                [*self.factors, "cell", "seconds"],
                ([*record.names, record.key[:12], f"{record.seconds:.3f}"] for record in records),
            )


def _rows(record: Record) -> Iterator[list[str]]:
    start = [*record.names, record.key[:12]]
    if record.error:
        yield [*start, "", "", "", record.error]
    for value in record.values:
        yield [
            *start,
            value.metric,
            "" if value.value is None else f"{value.value:.6g}",
            metric_of(value.metric).unit,
            value.error,
        ]


def _write_parquet(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table as Parquet, its values as numbers, if pyarrow is installed; raises `WriteError`."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return
    columns: dict[str, list[Any]] = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    columns["value"] = [float(value) if value else None for value in columns["value"]]
    with writes(path), write_atomically(path) as part:
        parquet.write_table(pyarrow.table(columns), part)


@contextmanager
def open_store(study: Study, folder: Path, shard: tuple[int, int] = (1, 1)) -> Iterator[Store]:
    """Yield the folder of a run, locked against other runs.

    Raises `HearsimError` where another run uses it, or where it holds another experiment, or results of another
    version.
    """
    check_is_folder(folder)
    if folder.exists():
        check_plan(study, folder)
    make_folder(folder / "cells")
    with ExitStack() as stack:
        _hold(folder, shard, stack)
        _write_plan(study, folder / PLAN)
        yield Store(folder, study.factors)


def _write_plan(study: Study, path: Path) -> None:
    with writes(path), FileLock(path.with_name(TURN)):
        if not path.exists():
            write_text(path, json.dumps(plan_file(study), indent=1) + "\n")


def _hold(folder: Path, shard: tuple[int, int], stack: ExitStack) -> None:
    """Take the lock of a shard; refuse where another run has it, or has another number of shards."""
    own_lock = f".run-{shard[0]}-of-{shard[1]}.lock"
    try:
        stack.enter_context(FileLock(folder / own_lock, timeout=0))
        for other in folder.glob(".run-*.lock"):
            if not other.name.endswith(f"-of-{shard[1]}.lock"):
                with FileLock(other, timeout=0):
                    pass
    except Timeout:
        raise HearsimError(f"another run is at work in {folder}: wait for its end, or choose another --out") from None
    except OSError as error:
        raise WriteError(folder, error.strerror or str(error)) from error


def check_plan(study: Study, folder: Path) -> None:
    """Raise `HearsimError` where a folder holds another experiment, or results of another version."""
    path = folder / PLAN
    if not path.exists():
        leftovers = ("cells", ".run*", f"{PLAN}.*.part")  # content of a run that was killed at its start
        strangers = [item.name for item in folder.iterdir() if not any(map(item.match, leftovers))]
        if strangers:
            raise HearsimError(f"{folder} holds {strangers[0]} and no {PLAN}, so no experiment: choose another --out")
        return
    cure = "choose another --out"
    table = read_json(path, cure)
    version = table.get("results_version", table.get("counting"))  # its earlier name
    check_same(path, "experiment or version", table | {"results_version": version}, plan_file(study), cure)
