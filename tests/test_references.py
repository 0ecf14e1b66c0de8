"""What comments, docstrings, settings and pages refer to is in the repository: files, folders, modules, links."""

import io
import re
import tokenize
from pathlib import Path

import pytest

from hearsim.core.plugins import Group

ROOT = Path(__file__).parents[1]
FOLDERS = ("hearsim", "tests", "experiments", "profiles", "models", ".")  # of the last one, the files alone
TEXTS = sorted(
    path
    for folder in FOLDERS
    for path in ((ROOT / folder).rglob("*") if folder != "." else ROOT.iterdir())
    if path.suffix in {".py", ".toml", ".md", ".j2"} or path.name == "Makefile"
    if not {"_data", "__pycache__"} & set(path.parts) and path.name != "changelog.md"  # which tells of what was moved
)
PATH = re.compile(r"(?<![\w/.~:*-])((?:tests|experiments|profiles|models|hearsim(?!/_data))/[\w./*-]*[\w*])")
MODULE = re.compile(r"(?<![\w/.@-])hearsim((?:\.[A-Za-z_]\w*)+)(?![\w/])")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
NO_MODULES = {*Group.__args__, "hearsim.compare", "hearsim.score", "hearsim.report"}  # entry points, schemas of JSON


def prose(path: Path) -> str:
    """The comments and docstrings of Python, all of other files."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join(
        token.string
        for token in tokens
        if token.type == tokenize.COMMENT
        or (token.type == tokenize.STRING and token.string.lstrip("r").startswith('"""'))
    )


def is_there(name: str, beside: Path) -> bool:
    return any(any(place.glob(name)) for place in (ROOT, beside.parent, ROOT / "hearsim"))


def is_defined(dotted: str) -> bool:
    """Whether `.package.module.name` is a module, or a name that stands in one."""
    place, names = ROOT / "hearsim", dotted.strip(".").split(".")
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    module = place / f"{names[0]}.py" if names else place / "__init__.py"
    if module.is_file():
        names = names[1:]
    else:
        module = place / "__init__.py"
    return (
        not names
        or names[0].startswith("__")
        or re.search(rf"\b{names[0]}\b", module.read_text(encoding="utf-8")) is not None
    )


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_references_lead_somewhere(path: Path) -> None:
    text = prose(path)
    lost = [name for name in PATH.findall(text) if not is_there(name, path)]
    lost += [
        f"hearsim{name}" for name in MODULE.findall(text) if f"hearsim{name}" not in NO_MODULES and not is_defined(name)
    ]
    if path.suffix == ".md":
        lost += [name for name in LINK.findall(text) if not (path.parent / name).exists()]
    assert lost == []
