"""The notebooks of hearsim/docs run from top to bottom, and are committed without outputs."""

from pathlib import Path

import nbformat
import pytest

import hearsim

PACKAGE = Path(hearsim.__file__).parent
NOTEBOOKS = sorted((PACKAGE / "docs" / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
CELL_S = 300


def test_there_are_three_notebooks() -> None:
    assert NAMES == ["first-steps", "listener-study", "own-separator"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert {cell.cell_type for cell in cells} == {"markdown", "code"}
    for cell in cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None), cell.source


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=CELL_S, kernel_name="python3", resources=resources).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
