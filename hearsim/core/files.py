"""Folders of shipped data, reading of text files, and atomic writing of outputs."""

import csv
import json
import os
import shutil
import tempfile
import tomllib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from hearsim.core.errors import HearsimError, HearsimWarning, WriteError


def data_folder(kind: Literal["profiles", "models"]) -> Path:
    """Return the folder of shipped profiles or models: of the installed wheel, or of the checkout.

    The wheel comes first: an installed package is in site-packages, where a `models` may belong to another package.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_data" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise HearsimError(f"hearsim is installed without its {kind}: install it anew with `pip install --force-reinstall`")


def cache_folder() -> Path:
    """Return the folder for data that can be recomputed: $XDG_CACHE_HOME/hearsim, else ~/.cache/hearsim.

    Where neither can be written (no home folder, a read-only one), it is a temporary folder, and a `HearsimWarning`
    says so. Source: XDG Base Directory Specification 0.8.
    """
    configured = os.environ.get("XDG_CACHE_HOME", "")
    for base in ([configured] if os.path.isabs(configured) else []) + ["~/.cache"]:
        folder = Path(os.path.expanduser(base)) / "hearsim"
        if folder.is_absolute() and _can_hold_files(folder):
            return folder
    folder = Path(tempfile.gettempdir()) / f"hearsim-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    if not _can_hold_files(folder):
        raise HearsimError(f"no folder for the cache can be written, {folder} neither: set XDG_CACHE_HOME to one")
    text = f"neither XDG_CACHE_HOME nor ~/.cache can be written: the cache is {folder}"
    warnings.warn(text, HearsimWarning, stacklevel=2)
    return folder


def _can_hold_files(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def model_names() -> list[str]:
    """Return the names of the shipped models."""
    return sorted(path.parent.name for path in data_folder("models").glob("*/model.toml"))


def find_model(name: str | Path, base: Path | None = None, context: str = "") -> Path:
    """Return the folder of a model: a shipped one's name, or a folder, relative to `base` (default: the current one).

    Raises `HearsimError` for an unknown model; `context` (file and key of the model) is the beginning of its sentence.
    """
    local = (base or Path.cwd()) / name
    for folder in (data_folder("models") / name, local):
        try:
            if (folder / "model.toml").is_file():
                return folder.resolve()
        except OSError as error:  # a name too long for the file system, a folder that may not be entered
            raise HearsimError(f"{context}{str(name)[:40]!r} can't be looked up: {error.strerror}") from None
    from hearsim.core.validation import nearest  # here: pydantic is slow to import

    near = nearest(str(name), model_names()) or f"take {' or '.join(model_names())}, or give a model's folder"
    raise HearsimError(f"{context}no model is called {str(name)!r} and no file {local / 'model.toml'} is there: {near}")


def model_hop(model: object) -> int:
    """Return the hop in samples of a network, or of a model as its model.toml says; raises `HearsimError`."""
    from hearsim.core.networks import own_network  # here: it imports this file

    network: Any = own_network(str(model)) if isinstance(model, str | Path) else model
    if network is not None:
        return int(network.hop)
    assert isinstance(model, str | Path)
    path = find_model(model) / "model.toml"
    network = read_toml(path).get("network")
    hop = network.get("hop") if isinstance(network, dict) else None
    if not isinstance(hop, int) or hop < 1:
        raise HearsimError(f"{path}: the key network.hop is missing or no number of samples: write hop = 512, say")
    return hop


@contextmanager
def writes(path: Path) -> Iterator[None]:
    """Turn errors of the body, which only writes to `path`, into a `WriteError`."""
    try:
        yield
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def part_of(path: Path) -> Path:
    """Return the temporary name of `path` while this process writes it; other processes have other names."""
    return path.with_name(f"{path.name}.{os.getpid()}.part")


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that is renamed to it on success and deleted on any error.

    Raises `WriteError` where the temporary file can't be opened or renamed.
    """
    part = part_of(path)
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.filename not in (str(part), part):  # about another file, which the body reads
            raise
        raise WriteError(path, error.strerror or str(error)) from error
    finally:
        if part.exists():
            part.unlink()


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Make the folder of a file that the body writes; if it stays empty, it is deleted with the folders made above it.

    Raises `WriteError` where it can't be made.
    """
    new = [folder for folder in path.parents if not folder.exists()]
    try:
        with writes(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in new:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


@contextmanager
def temporary_folder(part: Path) -> Iterator[None]:
    """Make a folder for the body to fill and move away; then delete it, and the folders made above it if empty.

    Raises `WriteError` where it can't be made.
    """
    with folder_of(part):
        try:
            with writes(part):
                part.mkdir()
            yield
        finally:
            shutil.rmtree(part, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where it is missing; raises `WriteError`."""
    with writes(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; raises `WriteError`.

    Lone surrogates, as in a file name that is not UTF-8, become escapes, as they can't be encoded.
    """
    with writes(path), write_atomically(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV, whole or not at all, floats with four decimals; raises `WriteError`."""
    with writes(path), write_atomically(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row] for row in rows)


def read_text(path: Path, cure: str = "give the name of a file") -> str:
    """Return a file's text, which is UTF-8; raises `HearsimError` where it can't be read (with `cure`) or decoded."""
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows' editors put a byte order mark in front
    except UnicodeDecodeError as error:
        raise HearsimError(f"{path} is not a text in UTF-8 ({error.reason}): save it as UTF-8") from None
    except OSError as error:
        raise HearsimError(f"{path} can't be read ({error.strerror}): {cure}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML; raises `HearsimError` for a file that can't be read or isn't one."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        last = f"at line {len(text.splitlines())}, the end of the file"
        raise HearsimError(f"{path} is not TOML: {str(error).replace('at end of document', last)}") from None


def read_json(path: Path, cure: str = "give a JSON file") -> dict[str, Any]:
    """Return the entries of a JSON file by name; raises `HearsimError`, with `cure`, where it can't be read."""
    table: dict[str, Any] = parse_json(read_text(path, cure), str(path), cure)
    return table


def parse_json(text: str, name: str, cure: str, kind: type = dict) -> Any:
    """Return the object (or another `kind`) of a JSON text; raises `HearsimError` for other texts and repeated names.

    Its sentence begins with `name`, the file's, and ends with `cure`.
    """
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _unique(name, pairs))
    except (json.JSONDecodeError, RecursionError) as error:
        raise HearsimError(f"{name} is not JSON ({error}): {cure}") from None
    if not isinstance(value, kind):
        needed = "one object with an entry per name" if kind is dict else f"a {kind.__name__}"
        raise HearsimError(f"{name} holds a {type(value).__name__}, and needs {needed}: {cure}")
    return value


def _unique(path: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the entries of a JSON object; raises `HearsimError` for a repeated name, as JSON keeps only the last."""
    names = Counter(name for name, _ in pairs)
    if twice := [name for name, count in names.items() if count > 1]:
        raise HearsimError(f"{path} has the entry {twice[0]!r} {names[twice[0]]} times: keep one, or rename the others")
    return dict(pairs)
