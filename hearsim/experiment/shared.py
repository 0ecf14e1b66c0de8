"""What several cells share is made once: kept in a file, made under a lock, and the latest held in memory."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock

from hearsim.paths import write_atomically, writes
from hearsim.units import FloatArray


def path_of(folder: Path, key: str) -> Path:
    """Return the file of a shared array in a run's folder."""
    return folder / "shared" / f"{key[:32]}.npy"


def shared(folder: Path, key: str, make: Callable[[], FloatArray]) -> FloatArray:
    """Return the array of a key, made by the first of all processes that asks for it; the others wait.

    The lock is the system's: it goes when the process that holds it does. Raises `WriteError` where the file can't be
    written. Nobody writes to the array.
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
