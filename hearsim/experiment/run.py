"""Running an experiment: on this machine's cores, on a Dask cluster, or in shards; interrupted runs can continue."""

import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hearsim.core.errors import HearsimError
from hearsim.experiment.cell import Record, is_shared, run_cell, share
from hearsim.experiment.plan import Cell, shard_of
from hearsim.experiment.spec import Study
from hearsim.experiment.store import Store, open_store

Progress = Callable[[str, int, int], None]
"""Arguments: unit ("songs" or "cells"), finished units, all units."""
Result = TypeVar("Result")
_CONNECT_S = 20


class Where(NamedTuple):
    """Where cells run: a number of processes (None: one per core), or the address of a Dask cluster."""

    workers: int | None = None
    cluster: str = ""


class Outcome(NamedTuple):
    """The outcome of a run."""

    computed: int
    earlier: int  # computed by earlier runs
    failed: int
    missing: int  # cells of other shards, not computed yet
    folder: Path


def run(
    study: Study,
    cells: Sequence[Cell],
    folder: Path,
    where: Where,
    shard: tuple[int, int] = (1, 1),
    retry_failed: bool = False,
    progress: Progress = lambda unit, done, total: None,
) -> Outcome:
    """Compute the missing cells of a folder, and write its tables when all are there.

    With `retry_failed` failed cells are computed again. Raises `HearsimError` where the folder can't be
    used, where no cluster answers, and where results can't be written: earlier ones stay.
    """
    part = _distinct(shard_of(list(cells), shard))
    folder = folder.resolve()  # workers may have another working directory
    with open_store(study, folder, shard) as store, ExitStack() as stack:
        waiting = _waiting(part, store, retry_failed)
        if waiting:
            parallel = stack.enter_context(_Parallel(where))
            first = _first_of_each(waiting, folder)
            broken: dict[tuple[str, str], Record] = {}
            by_key = {cell.key: _shares(cell) for cell in waiting}
            for done, record in enumerate(parallel(share, first, folder), start=1):
                if record.error:
                    broken[by_key[record.key]] = record
                progress("songs", done, len(first))
            for cell in waiting:
                if cause := broken.get(_shares(cell)):
                    store.save(cause.model_copy(update={"key": cell.key, "names": cell.names}))
            ready = [cell for cell in waiting if _shares(cell) not in broken]
            for done, record in enumerate(parallel(run_cell, ready, folder), start=1):
                store.save(record)
                progress("cells", done, len(ready))
        records = [one for cell in cells if (one := store.record(cell))]
        missing = len(cells) - len(records)
        if not missing:
            store.write_tables(records)
        return Outcome(
            computed=len(waiting),
            earlier=len(part) - len(waiting),
            failed=sum(bool(one.error) for one in records),
            missing=missing,
            folder=folder,
        )


def _waiting(cells: Sequence[Cell], store: Store, retry_failed: bool) -> list[Cell]:
    """Return the missing cells of a folder; with `retry_failed` also the failed ones."""
    return [cell for cell in cells if (record := store.record(cell)) is None or (retry_failed and record.error)]


def _first_of_each(cells: Sequence[Cell], folder: Path) -> list[Cell]:
    """Return a cell for each missing song and separation."""
    firsts = {_shares(cell): cell for cell in reversed(cells) if not is_shared(cell, folder)}
    return list(reversed(firsts.values()))


def _shares(cell: Cell) -> tuple[str, str]:
    return cell.song_key, cell.network_key


class _Parallel:
    """Maps a function over cells, here or on a cluster; results come in order of completion."""

    def __init__(self, where: Where) -> None:
        self._where, self._stack = where, ExitStack()

    def __enter__(self) -> "_Parallel":
        from joblib import parallel_config

        if self._where.cluster:
            self._stack.enter_context(_client(self._where.cluster))
            self._stack.enter_context(parallel_config(backend="dask", n_jobs=-1))
        else:
            workers = self._where.workers or -1
            self._stack.enter_context(parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(
        self, function: Callable[[Cell, Path], Result], cells: Sequence[Cell], folder: Path
    ) -> Iterator[Result]:
        from joblib import Parallel, delayed

        calls = (delayed(function)(cell, folder) for cell in cells)
        results = Parallel(return_as="generator_unordered", batch_size=1)(calls)
        try:
            for result in results:  # noqa: UP028  `yield from` would close them before the warning is off
                yield result
        except BrokenExecutor:
            raise HearsimError(
                "a worker process was killed, or has crashed, as it does where memory is short; what was computed is "
                "kept: run again, with fewer --workers"
            ) from None
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # joblib's advice where the user ended the run
                results.close()


def _client(address: str) -> Any:
    """Return a client of a Dask cluster; raises `HearsimError` where none answers, or Dask is not installed."""
    try:
        from distributed import Client
    except ImportError:
        raise HearsimError("--cluster needs Dask: pip install 'hearsim[cluster]'") from None
    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=True)
    except (OSError, ValueError) as error:
        raise HearsimError(
            f"--cluster {address}: no Dask scheduler answers there ({error}): check the address"
        ) from None


EXCERPT_S = 4.0
"""Length of the excerpts that a dry run measures: the generator's shortest in every style."""


class Estimate(NamedTuple):
    """The forecast of a dry run, in seconds."""

    shared: int  # missing songs and separations
    shared_s: float  # each, on average
    waiting: int  # cells
    cell_s: float  # each, on average
    workers: int

    @property
    def seconds(self) -> float:
        """The run's duration in seconds."""
        return (self.shared * self.shared_s + self.waiting * self.cell_s) / max(1, self.workers)


def estimate(
    cells: Sequence[Cell],
    folder: Path,
    workers: int | None,
    retry_failed: bool = False,
    timed: int = 3,
    progress: Progress = lambda unit, done, total: None,
) -> Estimate:
    """Forecast a run from excerpts of a few of its cells, computed in a temporary folder.

    Each excerpt lasts `EXCERPT_S` at most; its time is scaled by the length of the whole song. The first is computed
    twice: libraries load and compile in the first pass, which does not count.
    """
    from joblib import cpu_count

    waiting = _waiting(_distinct(cells), Store(folder), retry_failed)
    first = _first_of_each(waiting, folder)
    chosen = [waiting[index * (len(waiting) - 1) // max(1, timed - 1)] for index in range(min(timed, len(waiting)))]
    shared_s, cell_s = [], []
    for done, cell in enumerate([*chosen[:1], *chosen]):
        progress(f"{EXCERPT_S:g} s excerpts", done, len(chosen) + 1)
        excerpt = cell.excerpt(EXCERPT_S)
        with tempfile.TemporaryDirectory() as name:
            seconds = share(excerpt, Path(name)).seconds, run_cell(excerpt, Path(name)).seconds
        if done:
            shared_s.append(seconds[0] / excerpt.song.length_s)
            cell_s.append(seconds[1] / excerpt.song.length_s)
    if chosen:
        progress(f"{EXCERPT_S:g} s excerpts", len(chosen) + 1, len(chosen) + 1)
    return Estimate(
        shared=len(first),
        shared_s=statistics.fmean(shared_s) * _mean_length_s(first) if first and shared_s else 0.0,
        waiting=len(waiting),
        cell_s=statistics.median(cell_s) * _mean_length_s(waiting) if cell_s else 0.0,
        workers=workers or int(cpu_count()),
    )


def _distinct(cells: Sequence[Cell]) -> list[Cell]:
    """Return one cell of each key, as some differ by name alone."""
    return list({cell.key: cell for cell in cells}.values())


def _mean_length_s(cells: Sequence[Cell]) -> float:
    return statistics.fmean(cell.song.length_s for cell in cells)
