"""Where the project's data lies, and how its outputs are written: whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from hearsim.errors import HearsimError


def data_folder(kind: Literal["profiles", "models"]) -> Path:
    """Return the folder of shipped profiles or models: of the installed wheel, or of the checkout.

    The wheel comes first: beside an installed package lies site-packages, where a `models` may be anybody's.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise HearsimError(f"hearsim is installed without its {kind}: install it anew with `pip install --force-reinstall`")


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name on success and vanishes on any error."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
