"""The output folder of a run: written whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hearsim.core.errors import HearsimError, WriteError
from hearsim.core.files import part_of, temporary_folder, writes

OUTPUTS = ("aided.wav", "heard.wav", "unaided.wav", "report.json", "report.html", "stems", "demo")


@contextmanager
def output_folder(out: Path, force: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield a temporary folder beside `out` whose files move to `out` on success and vanish on any error.

    With `force` an earlier run is replaced. Raises `HearsimError` where `out` already holds one (without `force`),
    holds one of the `inputs` under a name of the outputs, or can't be written.
    """
    with writes(out):  # a name too long for the file system is found here
        held = [name for name in OUTPUTS if (out / name).exists()]
    if held and not force:
        raise HearsimError(f"{out} already holds {', '.join(held)}: choose another --out, or give --force")
    for source in inputs:
        if any((out / name).resolve() in (source.resolve(), *source.resolve().parents) for name in held):
            raise HearsimError(f"{source} would be replaced by an output: choose another --out than {out}")
    if out.exists() and not out.is_dir():
        raise HearsimError(f"{out} is a file: choose another --out")
    part = part_of(out) if out.name else Path(f"{os.getpid()}.part")
    try:
        with temporary_folder(part):
            with writes(out):
                if not os.access(out if out.is_dir() else part, os.W_OK):
                    raise PermissionError(13, "Permission denied", str(out))
            yield part
            with writes(out):
                _move(part, out, [name for name in ("stems", "demo") if "report.json" in held and name in held])
    except WriteError as error:
        raise HearsimError(f"{out} can't be written ({error.why}): {error.cure.replace('place', '--out')}") from error


def _move(part: Path, out: Path, stale: list[str]) -> None:
    """Move the files of a run to their places; `stale` are folders that an earlier run kept there."""
    for name in stale:
        shutil.rmtree(out / name)
    out.mkdir(exist_ok=True)
    for item in sorted(part.iterdir()):
        target = out / item.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(item, target)
