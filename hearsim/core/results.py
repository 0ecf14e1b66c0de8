"""The output folder of a command: written whole or not at all; it replaces an earlier run's outputs and no other file.

The first output of a command is the record of its run: a JSON file whose entry `files` names all that the run wrote
(`files_of`). A later run replaces those files and no others.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError, WriteError
from hearsim.core.files import part_of, read_json, temporary_folder, writes


def check_is_folder(out: Path) -> None:
    """Raise `HearsimError` where an output folder, or a folder above it, has the name of a file."""
    with writes(out):  # raises for a name too long for the file system
        nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise HearsimError(f"{nearest} is a file: choose another --out")


def files_of(part: Path, record: str) -> list[str]:
    """Return the names of all files in an output folder, relative to it, and that of the record still to be written."""
    return sorted({record, *(path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file())})


def check_free(out: Path, outputs: Sequence[str], force: bool) -> list[str]:
    """Return the existing outputs in `out`; raises `HearsimError` for any without `force`, and for a file `out`."""
    check_is_folder(out)
    existing = [name for name in outputs if (out / name).exists()]
    if existing and not force:
        raise HearsimError(f"{out} already holds {', '.join(existing)}: choose another --out, or give --force")
    return existing


def check_earlier(out: Path, outputs: Sequence[str]) -> None:
    """Raise `HearsimError` where `out` holds outputs and not the first of them, so that no earlier run wrote them."""
    existing = check_free(out, outputs, force=True)
    if existing and outputs[0] not in existing:
        raise HearsimError(
            f"{out} holds {', '.join(existing)} and no {outputs[0]}, so they are of no earlier run: "
            "choose another --out"
        )


def check_same(path: Path, kind: str, stored: Mapping[str, Any], expected: Mapping[str, Any], cure: str) -> None:
    """Raise `HearsimError` where a file of results is of another `kind` (spec, version): a setting differs."""
    for key, value in sorted(expected.items()):
        if stored.get(key) != value:
            raise HearsimError(
                f"{path} is of another {kind}: {key} is {stored.get(key)!r} there and {value!r} here; {cure}"
            )


@contextmanager
def output_folder(
    out: Path,
    outputs: Sequence[str],
    force: bool,
    inputs: Sequence[Path] = (),
    check: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """Yield a temporary folder whose content moves to `out` on success and is deleted on any error.

    `out` is made where it is missing. `outputs` are the names of the files and folders that the command writes, the
    record first. With `force` the files that the record of an earlier run names are replaced; all others stay as they
    are. `inputs` are files that the command reads, and must not replace. `check` raises `HearsimError` for reasons of
    the command's own; it is called before the work and after it, as another process may write there meanwhile.

    Raises `HearsimError` where `out` holds outputs without `force`, where one of them is an input,
    where they are of no earlier run, and where `out` can't be written.
    """
    _check(out, outputs, force, inputs)
    check()
    place = out.resolve()
    part = place / part_of(place).name if place.is_dir() else part_of(place)  # on the same file system as the results
    try:
        with temporary_folder(part):
            with writes(out):
                if not os.access(part, os.W_OK):
                    raise PermissionError(13, os.strerror(13), str(out))
            yield part
            check()
            with writes(out):
                _move(part, place, _files(place / outputs[0]))
    except WriteError as error:
        raise HearsimError(f"{out} can't be written ({error.why}): {error.cure.replace('place', '--out')}") from error


def _check(out: Path, outputs: Sequence[str], force: bool, inputs: Sequence[Path]) -> None:
    existing = check_free(out, outputs, force)
    files = _files(out / outputs[0])
    for source in inputs:
        if any(
            (out / name).resolve() in (source.resolve(), *source.resolve().parents)
            for name in [*existing, *map(str, files)]
        ):
            raise HearsimError(f"{source} would be replaced by an output: choose another --out than {out}")
    check_earlier(out, outputs)
    if strange := [
        name for name in existing if not any(Path(name) in (Path(file), *Path(file).parents) for file in files)
    ]:
        raise HearsimError(
            f"{out} holds {', '.join(strange)}, which {outputs[0]} does not name among the files of its run: choose "
            "another --out, or move what is there"
        )


def _files(record: Path) -> list[Path]:
    """Return the files that an earlier run wrote, relative to its folder: none without its record."""
    try:
        names = [Path(name) for name in read_json(record)["files"]]
    except (HearsimError, KeyError, TypeError):
        return []
    return [name for name in names if not name.is_absolute() and ".." not in name.parts]


def _move(part: Path, out: Path, earlier: Sequence[Path]) -> None:
    """Move a run's files to their places; on failure the files of an earlier run are restored."""
    new = [path.relative_to(part) for path in part.rglob("*") if path.is_file()]
    old = part / ".replaced"
    moved: list[tuple[Path, Path]] = []
    try:
        for name in earlier:
            if (out / name).is_file():
                _replace(out / name, old / name, moved)
        for name in new:
            if (out / name).exists():
                raise HearsimError(f"{out / name} was not written by an earlier run: move it, or choose another --out")
            _replace(part / name, out / name, moved)
    except (OSError, HearsimError):
        for source, target in reversed(moved):
            os.replace(target, source)
        raise
    finally:
        for folder in sorted({out / folder for name in (*earlier, *new) for folder in name.parents}, reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _replace(source: Path, target: Path, moved: list[tuple[Path, Path]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    moved.append((source, target))
