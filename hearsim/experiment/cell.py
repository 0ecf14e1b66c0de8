"""Running one cell, here or in a worker: the song, its stems, the heard sound, the figures."""

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock
from threadpoolctl import threadpool_limits

from hearsim.core.audio import Audio
from hearsim.core.audio_files import AID_RATE_HZ, write
from hearsim.core.errors import HearsimError, WriteError
from hearsim.core.files import make_folder, write_atomically, writes
from hearsim.core.random_state import seeded
from hearsim.core.units import FloatArray
from hearsim.core.validation import Settings
from hearsim.experiment.plan import Cell
from hearsim.metrics.registry import compute as compute_metric
from hearsim.music.demo_song import mixture
from hearsim.simulation.condition import ListeningCondition
from hearsim.simulation.stems import separate


def path_of(folder: Path, key: str) -> Path:
    """Return the file of a shared array in a run's folder."""
    return folder / "shared" / f"{key[:32]}.npy"


def shared(folder: Path, key: str, make: Callable[[], FloatArray]) -> FloatArray:
    """Return the array of a key, computed by the first process that needs it; the others wait.

    The lock is the system's: it is released when its process ends. Raises `WriteError` where the file can't be
    written. The array is read-only.
    """
    path = path_of(folder, key)
    if not path.exists():
        with ExitStack() as stack:
            with writes(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(path.with_suffix(".lock")))
            if not path.exists():
                array = make()
                with writes(path), write_atomically(path) as part, part.open("wb") as file:
                    np.save(file, array)
    return _load(path)


@lru_cache(maxsize=2)  # cells come song by song and model by model: one song, one separation
def _load(path: Path) -> FloatArray:
    array: FloatArray = np.load(path)
    array.setflags(write=False)
    return array


AUDIO = "audio"
_ONE_AT_A_TIME = threading.Lock()
"""A worker with several threads runs cell after cell: models have state, and random numbers belong to the process."""


class Value(Settings):
    """One figure of a cell, or the reason for a missing one."""

    metric: str
    value: float | None
    error: str = ""


class Record(Settings):
    """The result of a cell. `error`, for a cell that failed as a whole, is one line; `trace` is its traceback."""

    key: str
    names: tuple[str, ...]
    values: tuple[Value, ...] = ()
    error: str = ""
    trace: str = ""
    seconds: float


def run_cell(cell: Cell, folder: Path) -> Record:
    """Compute a cell; its record has any error, except for outputs that can't be written."""
    return _recorded(cell, lambda: _values(cell, folder))


def share(cell: Cell, folder: Path) -> Record:
    """Compute a cell's song and separation, which other cells share, if missing; the record has no values.

    An error here is one of all these cells.
    """

    def make() -> tuple[Value, ...]:
        _separated(cell, _song(cell, folder), folder)
        return ()

    return _recorded(cell, make)


def _recorded(cell: Cell, compute: Callable[[], tuple[Value, ...]]) -> Record:
    """Return the record of a computation; libraries run on one thread, so that sums have one order."""
    values: tuple[Value, ...] = ()
    error, trace = "", ""
    with _ONE_AT_A_TIME, threadpool_limits(1), seeded(cell.seed):
        started = time.perf_counter()
        try:
            values = compute()
        except WriteError:
            raise
        except Exception as caught:  # any error: the other cells continue
            error, trace = _one_line(caught), traceback.format_exc()
        seconds = time.perf_counter() - started
    return Record(key=cell.key, names=cell.names, values=values, error=error, trace=trace, seconds=seconds)


def is_shared(cell: Cell, folder: Path) -> bool:
    """Return whether a cell's song and separation are in the folder."""
    return all(path_of(folder, key).exists() for key in (cell.song_key, cell.network_key) if key)


def _values(cell: Cell, folder: Path) -> tuple[Value, ...]:
    true_stems = _song(cell, folder)
    stems = cell.model.stems(true_stems, _separated(cell, true_stems, folder))
    late = cell.model.latency(cell.profile.block_samples)
    condition = ListeningCondition(cell.profile, cell.aided, true_stems, stems, cell.model.hop, late)
    values = []
    for name in cell.metrics:
        try:
            values.append(Value(metric=name, value=compute_metric(name, condition)))
        except WriteError:
            raise
        except HearsimError as error:  # a figure that can't be computed for this sound
            values.append(Value(metric=name, value=None, error=_one_line(error)))
    for version in cell.outputs:
        make_folder(folder / AUDIO)
        write(folder / AUDIO / f"{cell.key[:12]}-{version}.wav", Audio(getattr(condition, version), true_stems.rate))
    return tuple(values)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, HearsimError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def _song(cell: Cell, folder: Path) -> Audio:
    return Audio(shared(folder, cell.song_key, lambda: cell.song.stems(cell.song_seed).samples), AID_RATE_HZ)


def _separated(cell: Cell, true_stems: Audio, folder: Path) -> FloatArray | None:
    """Return the stems estimated by the cell's model; None for the true ones."""
    model = cell.model.model
    if model is None:
        return None
    return shared(folder, cell.network_key, lambda: separate(model, mixture(true_stems), cell.model.sha256))
