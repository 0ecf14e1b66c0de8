"""Shared memory of several processes: named blocks of typed cells and arrays.

A block travels to a child process as an argument (it is pickled by name). Every cell and every array has one writer,
named where it is declared; anyone may read. Reading and writing one aligned number is a single load or store on the
processors that Python runs on; data of several numbers is published by a count that is written last. ARM
might make the count visible first, as there is no barrier: only microseconds of the interpreter are between both.
"""

import sys
from multiprocessing.shared_memory import SharedMemory
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

import numpy as np

T = TypeVar("T", int, float, bytes)
Arrays = dict[str, tuple[Any, tuple[int, ...]]]


class Cell(Generic[T]):
    """One number, or one short text as bytes, of a `Block`: an attribute that lies in shared memory."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, block: None, owner: type) -> Self: ...
    @overload
    def __get__(self, block: "Block", owner: type) -> T: ...
    def __get__(self, block: "Block | None", owner: type) -> "Self | T":
        if block is None:
            return self
        value: T = block.row[self._name].item()
        return value

    def __set__(self, block: "Block", value: T) -> None:
        block.row[self._name] = value


def whole() -> Cell[int]:
    """Return a cell for a whole number, 0 at first."""
    return Cell("i8")


def real() -> Cell[float]:
    """Return a cell for a real number, 0.0 at first."""
    return Cell("f8")


LONGEST_TEXT = 2000


def text(size: int = LONGEST_TEXT) -> Cell[bytes]:
    """Return a cell for up to `size` bytes of text, empty at first."""
    return Cell(f"S{size}")


def truncate_utf8(words: str) -> bytes:
    """Return a text in UTF-8, cut between two letters to the length of a cell."""
    return words.encode(errors="replace")[:LONGEST_TEXT].decode(errors="ignore").encode()


class Block:
    """Shared memory that holds the cells of its class and the arrays named in `ARRAYS` (dtype and shape)."""

    ARRAYS: ClassVar[Arrays] = {}

    def __init__(self, arrays: Arrays | None = None, name: str | None = None) -> None:
        self._arrays = self.ARRAYS if arrays is None else arrays
        cells = [(key, cell.kind) for kind in type(self).__mro__ for key, cell in vars(kind).items() if _is_cell(cell)]
        layout = np.dtype([*cells, *((key, *how) for key, how in self._arrays.items())], align=True)
        if name is None:
            self._memory = SharedMemory(create=True, size=layout.itemsize)
        else:
            self._memory = SharedMemory(name)
        self.owner = name is None  # whether this process made it
        self.row: Any = np.ndarray((), layout, self._memory.buf)

    def array(self, name: str) -> Any:
        """Return the named array, whose memory is shared."""
        return self.row[name]

    def __reduce__(self) -> Any:
        return _attach, (type(self), self._arrays, self._memory.name)

    def close(self) -> None:
        """Release the memory, and delete it where this process made it; the block can't be used any more."""
        self.row = None
        self._memory.close()
        if self.owner:
            self._memory.unlink()


def _is_cell(value: object) -> bool:
    return isinstance(value, Cell)


def _attach(kind: type[Block], arrays: Arrays, name: str) -> Block:
    block = kind.__new__(kind)
    try:
        Block.__init__(block, arrays, name)
    except FileNotFoundError:  # the session ended while this process was starting: there is nobody to tell
        sys.exit(1)
    return block
