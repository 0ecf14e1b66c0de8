"""Where the cache lies, and what is said of places that can't be written."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from hearsim.core.errors import HearsimError, HearsimWarning, WriteError
from hearsim.core.files import cache_folder, write_csv


def test_the_cache_is_where_the_desktop_puts_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "hearsim"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "hearsim"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification tells to ignore
    assert cache_folder() == tmp_path / "home" / ".cache" / "hearsim"


@pytest.mark.parametrize("home", ["", "blocked"])
def test_without_a_home_the_cache_is_temporary_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """In containers a user may have no entry in the list of users, and no HOME; or a home that can't be written."""
    (tmp_path / "blocked").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if home:
        monkeypatch.setenv("HOME", str(tmp_path / home))
    else:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python does without a home
    with pytest.warns(
        HearsimWarning, match=r"neither XDG_CACHE_HOME nor ~/\.cache can be written: the cache is .*hearsim-"
    ):
        folder = cache_folder()
    assert folder.parent == tmp_path and folder.is_dir()


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOENT, "choose another place, or make its folder first"),
        (errno.ENOSPC, "choose another place, or make room"),
        (errno.EACCES, "choose another place, or ask for the right to write there"),
        (errno.EISDIR, "choose another place: a folder has this name"),
        (errno.EIO, "choose another place"),
    ],
)
def test_the_cure_fits_the_reason(number: int, cure: str) -> None:
    assert str(WriteError(Path("x"), os.strerror(number))) == f"x can't be written ({os.strerror(number)}): {cure}"


def test_a_missing_folder_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(HearsimError, match=r"a\.csv can't be written \(No such file or directory\): .*make its folder"):
        write_csv(tmp_path / "gone" / "a.csv", ["a"], [])
