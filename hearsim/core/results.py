"""The output folder of a command: written whole or not at all, and nothing in it lost but an earlier run's outputs."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hearsim.core.errors import HearsimError, WriteError
from hearsim.core.files import part_of, temporary_folder, writes


def check_is_folder(out: Path) -> None:
    """Raise `HearsimError` where a file, or something else that is no folder, has the name of an output folder."""
    with writes(out):  # a name too long for the file system is found here
        exists, is_folder = out.exists(), out.is_dir()
    if exists and not is_folder:
        raise HearsimError(f"{out} is a file: choose another --out")


@contextmanager
def output_folder(
    out: Path,
    outputs: Sequence[str],
    force: bool,
    inputs: Sequence[Path] = (),
    check: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """Yield a temporary folder whose content moves to `out` on success and vanishes on any error.

    `out` is made where it is missing; other files in it stay as they are. `outputs` are the names of the files and
    folders that the command may write, of which the first shows that an earlier run wrote the rest; with `force` they
    are replaced. `inputs` are files that the command reads, and must not replace. `check` raises `HearsimError` for
    reasons of the command's own; it is called before the work and after it, for somebody else may have come first.

    Raises `HearsimError` where `out` holds outputs and `force` is not given, where they are of no earlier run, where
    one of them is an input, and where `out` can't be written.
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
                _move(part, place, outputs)
    except WriteError as error:
        raise HearsimError(f"{out} can't be written ({error.why}): {error.cure.replace('place', '--out')}") from error


def _check(out: Path, outputs: Sequence[str], force: bool, inputs: Sequence[Path]) -> None:
    check_is_folder(out)
    held = [name for name in outputs if (out / name).exists()]
    if held and not force:
        raise HearsimError(f"{out} already holds {', '.join(held)}: choose another --out, or give --force")
    for source in inputs:
        if any((out / name).resolve() in (source.resolve(), *source.resolve().parents) for name in held):
            raise HearsimError(f"{source} would be replaced by an output: choose another --out than {out}")
    if held and outputs[0] not in held:
        raise HearsimError(
            f"{out} holds {', '.join(held)} and no {outputs[0]}, so they are of no earlier run: choose another --out"
        )


def _move(part: Path, out: Path, outputs: Sequence[str]) -> None:
    """Move a run's files to their places; those of an earlier run come back where that fails."""
    old, new = part / ".replaced", sorted(part.iterdir())
    old.mkdir()
    out.mkdir(exist_ok=True)
    moved: list[Path] = []
    try:
        for name in outputs:
            if (out / name).exists():
                os.replace(out / name, old / name)
        for item in new:
            os.replace(item, out / item.name)
            moved.append(out / item.name)
    except OSError:
        for path in moved:
            os.replace(path, part / path.name)
        for path in old.iterdir():
            os.replace(path, out / path.name)
        raise
    shutil.rmtree(old, ignore_errors=True)
