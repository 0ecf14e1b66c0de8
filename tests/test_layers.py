"""A lower layer never imports a higher one, stages never each other, and heavy packages stay where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import hearsim

ROOT = Path(hearsim.__file__).parent
LAYERS = [
    {"units", "errors", "paths"},
    {"audio", "audio_files", "audio_length", "listener", "profile"},
    {"processor", "dsp"},
    {"latency", "runtime"},
    {"separation", "remix", "compensation", "hearing_loss", "output", "vent"},
    {"hearing_aid", "metrics", "demo_song", "demo_styles"},
    {"report", "training", "live", "export", "experiment"},
    {"cli"},
]
STAGES = LAYERS[4]
HEAVY = {
    "torch": {"separation", "runtime", "training"},
    "pystoi": {"metrics"},
    "matplotlib": {"report", "experiment"},
    "numba": {"dsp"},
    "sounddevice": {"live"},
    "starlette": {"live"},
    "uvicorn": {"live"},
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
    parts = {path.name.removesuffix(".py") for path in ROOT.iterdir() if not path.name.startswith(("_", "."))}
    assert parts == set(level)
    for part, module in imports():
        if not part.startswith("__") and module.startswith("hearsim."):
            target = module.split(".")[1]
            assert level[target] <= level[part], f"{part} imports {module}"
            if part in STAGES and target in STAGES:
                assert part == target, f"the stage {part} imports the stage {target}"


def test_heavy_packages_stay_where_they_are_used() -> None:
    for part, module in imports():
        package = module.split(".")[0]
        assert package not in HEAVY or part in HEAVY[package], f"{part} imports {module}"


def test_import_is_light() -> None:
    code = "import sys, hearsim; print(sorted({'torch', 'numba', 'scipy', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
