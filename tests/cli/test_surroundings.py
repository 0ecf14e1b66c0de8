"""Terminals without UTF-8, names that look like markup, a notebook's matplotlib: commands run, or say one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRAW = """
from pathlib import Path
from hearsim.pages.svg import drawing, save_svg
with drawing(3, 2) as (figure, axes):
    axes.plot([1, 2])
    save_svg(figure, Path("plot.svg"))
"""
TABLE = """
from hearsim.cli import main
from hearsim.cli import output, catalogue
from rich.table import Table
def models():
    table = Table("Größe", title="かな")
    table.add_row("Headset [bt] 5 :mouse: かな")
    output.print_tables(table)
    return []
assert hasattr(catalogue, "shipped_models")
catalogue.shipped_models = models
main()
"""


def python(folder: Path, code: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, env={**os.environ, **settings})


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_tables_show_names_that_the_terminal_has_no_letters_for(tmp_path: Path, encoding: str) -> None:
    done = python(tmp_path, TABLE, "models", "list", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Headset [bt] 5 :mouse: ??" in done.stdout
    assert "Größe".encode(encoding, "replace") in done.stdout


@pytest.mark.parametrize(
    "command", ["show", *(pytest.param(one, marks=pytest.mark.slow) for one in ("render", "experiment run --dry-run"))]
)
def test_sentences_name_files_that_the_terminal_has_no_letters_for(tmp_path: Path, command: str) -> None:
    (tmp_path / "かなÜ.toml").write_text("x", encoding="utf-8")
    main = "from hearsim.cli import main; main()"
    done = python(tmp_path, main, *command.split(), "かなÜ.toml", PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"hearsim: ") and b"???.toml" in done.stderr


def test_a_notebooks_matplotlib_does_not_matter(tmp_path: Path) -> None:
    done = python(tmp_path, DRAW, MPLBACKEND="module://no_such_module.backend_inline")
    assert (done.returncode, done.stderr) == (0, b"") and (tmp_path / "plot.svg").is_file()
    done = python(tmp_path, DRAW, MPLBACKEND="nonsense")
    assert b"HearsimError: matplotlib can't be imported" in done.stderr and b"unset MPLBACKEND" in done.stderr
