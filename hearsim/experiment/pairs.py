"""Pairs of a listener and a song instead of all combinations: a list, or a file.

`pairs = [{ listener = "N2", song = "pop" }, ...]` in the spec; a CSV with the columns listener and song (or scene); or
a JSON that names the listeners of each song, as Cadenza's and Clarity's scene_listeners.json:
`{"S0001": ["L0001", "L0007"]}`.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_json, read_text
from hearsim.core.validation import Settings, check, nearest

Pairs = frozenset[tuple[str, str]]


class Pair(Settings):
    """A listener and a song, by name."""

    listener: str
    song: str


def read_pairs(value: Any, path: Path, listeners: Sequence[str], songs: Sequence[str]) -> Pairs:
    """Return the pairs (listener, song) of a spec.

    Parameters
    ----------
    value
        The spec's key `pairs`: a list of tables, or the name of a CSV or JSON file relative to the spec.
    path
        The spec.
    listeners, songs
        The existing names.

    Raises
    ------
    HearsimError
        An unreadable file, an unknown name, a repeated pair, or no pair at all.
    """
    if isinstance(value, str):
        rows = _file(path.parent / value)
    elif isinstance(value, list):
        rows = ((f"{path}: pairs[{index}]", row) for index, row in enumerate(value))
    else:
        raise HearsimError(f"{path}: pairs = {value!r} is not a list: give pairs in square brackets, or a file's name")
    pairs: set[tuple[str, str]] = set()
    for where, row in rows:
        if not isinstance(row, dict):
            raise HearsimError(f"{where} = {row!r} is not a pair: write it as {{ listener = ..., song = ... }}")
        pair = check(Path(where), Pair, row)
        for key, name, names in (("listener", pair.listener, listeners), ("song", pair.song, songs)):
            if name not in names:
                near = nearest(name, list(names)) or f"there are {', '.join(list(names)[:8])}"
                raise HearsimError(f"{where}: no {key} is called {name!r}: {near}")
        if (pair.listener, pair.song) in pairs:
            raise HearsimError(f"{where}: {pair.listener} and {pair.song} are a pair already: remove one")
        pairs.add((pair.listener, pair.song))
    if not pairs:
        raise HearsimError(f"{path}: pairs = {value!r} holds no pair: name one, or remove the key for all combinations")
    return frozenset(pairs)


def _file(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place and the table of each pair in a CSV or JSON file."""
    if path.suffix == ".json":
        for song, listeners in read_json(path).items():
            if not isinstance(listeners, list):
                raise HearsimError(f"{path}: {song} = {listeners!r} is not a list: name its listeners in one")
            yield from ((f"{path}: {song}[{index}]", {"listener": one, "song": song})
                        for index, one in enumerate(listeners))  # fmt: skip
    elif path.suffix == ".csv":
        table = csv.DictReader(io.StringIO(read_text(path), newline=""))
        if not {"listener"} < set(table.fieldnames or ()) & {"listener", "song", "scene"}:
            raise HearsimError(f"{path} has no columns listener and song: give it a first line that names them")
        for row in table:
            yield (
                f"{path}: line {table.line_num}",
                {"listener": row["listener"], "song": row.get("song", row.get("scene"))},
            )
    else:
        raise HearsimError(f"{path}: pairs come from a .csv or a .json: save them as one, or list them in the spec")
