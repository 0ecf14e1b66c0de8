"""A lower layer never imports a higher one, stages never each other, and heavy packages stay where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import hearsim

ROOT = Path(hearsim.__file__).parent
LAYERS = [  # from the ground; folders of one layer don't import each other
    {"core"},
    {"dsp", "pages", "profile", "separation"},
    {"aid", "ear", "music", "testing"},
    {"live", "metrics", "room", "testbox"},
    {"simulation", "training"},
    {"bench", "experiment", "listening_test", "report"},
    {"cli"},
]
MOST_TIES = 90
HEAVY = {
    "torch": {"separation", "bench", "testing", "training"},
    "pystoi": {"metrics"},
    "matplotlib": {"experiment", "listening_test", "pages", "report", "training"},
    "numba": {"dsp"},
    "sounddevice": {"live"},
    "starlette": {"listening_test", "live", "pages"},
    "uvicorn": {"live", "pages"},
}


def imports() -> list[tuple[str, str]]:
    """Every (part of hearsim, imported module)."""
    found = []
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.append((part, node.module))
            elif isinstance(node, ast.Import):
                found += [(part, alias.name) for alias in node.names]
    return found


def test_layers() -> None:
    level = {name: index for index, names in enumerate(LAYERS) for name in names}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))} - {
        "docs"
    }
    assert folders <= set(level)
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}
    ties = set()
    for part, module in imports():
        if part not in {"__init__", "__main__"} and module.startswith("hearsim."):
            target = module.split(".")[1]
            if part != target:
                assert level[target] < level[part], f"{part} imports {module}"
                ties.add((part, target))
    assert len(ties) <= MOST_TIES


def test_heavy_packages_stay_where_they_are_used() -> None:
    for part, module in imports():
        package = module.split(".")[0]
        assert package not in HEAVY or part in HEAVY[package], f"{part} imports {module}"


def test_import_is_light() -> None:
    code = "import sys, hearsim; print(sorted({'torch', 'numba', 'scipy', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
