"""The tests find deliberate faults: each change of mutants.toml turns the tests of its room red.

Each runs on a copy of the package; an unchanged copy is green, so that a red one is red by its change alone.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import hearsim

PACKAGE = Path(hearsim.__file__).parent
TESTS = Path(__file__).parents[1]
MUTANTS = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
NONE_FAILED, SOME_FAILED = 0, 1  # exit codes of pytest; others: a test file that can't be read, no tests


def rooms() -> set[str]:
    """Return the folders of the package that hold code, docs apart, which has tests of its own."""
    folders = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    return {folder.as_posix() for folder in folders if folder.parts and folder.parts[0] != "docs"}


def test_every_mutant_can_be_applied() -> None:
    names = Counter(one["name"] for one in MUTANTS)
    assert len(MUTANTS) >= 60 and max(names.values()) == 1
    for one in MUTANTS:
        source = (PACKAGE / one["file"]).read_text(encoding="utf-8")
        assert source.count(one["before"]) == 1, f"{one['name']}: adapt `before` to {one['file']}"
        file, _, test = one["test"].partition("::")
        assert one["before"] != one["after"] and (TESTS / file).is_file(), one["name"]
        assert not test or f"def {test}(" in (TESTS / file).read_text(encoding="utf-8"), f"{one['name']}: no {test}"


def test_every_room_has_mutants() -> None:
    assert rooms() - {Path(one["file"]).parent.as_posix() for one in MUTANTS} == set()


def copy_of_package(folder: Path, changed: str = "") -> Path:
    """Copy the package into a folder, with its data beside it; return the copy.

    Compiled loops come along, which saves their compilation, unless the file that is to be changed may be part of them:
    they are in dsp, which imports core, and are compiled anew for changes of their own file alone.
    """
    compiled_anew = changed.startswith(("core/", "dsp/"))
    shutil.copytree(PACKAGE, folder / "hearsim", ignore=shutil.ignore_patterns("*.nb?") if compiled_anew else None)
    for data in ("profiles", "models"):
        (folder / data).symlink_to(PACKAGE.parent / data)
    return folder / "hearsim"


def run_tests(package: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests on a copy of the package; processes that they start run it as well."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *(str(TESTS / test) for test in tests)]
    here = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONSAFEPATH": "1"}
    return subprocess.run(command, cwd=TESTS.parent, env=here, capture_output=True, text=True, check=False)


def skip_where_nothing_ran(output: str) -> None:
    """Skip where all tests were skipped, for want of a browser, say."""
    if re.search(r"^\d+ skipped", output, re.MULTILINE):
        pytest.skip("its tests are skipped here")


@pytest.mark.slow
@pytest.mark.parametrize("room", sorted({one["test"].split("/")[0] for one in MUTANTS}))
def test_an_unchanged_copy_is_green(room: str, tmp_path: Path) -> None:
    tests = dict.fromkeys(one["test"] for one in MUTANTS if one["test"].split("/")[0] == room)
    done = run_tests(copy_of_package(tmp_path), *tests)
    assert done.returncode == NONE_FAILED, f"{done.stdout[-2000:]}{done.stderr[-500:]}"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[one["name"] for one in MUTANTS])
def test_a_fault_turns_the_tests_of_its_room_red(mutant: dict[str, str], tmp_path: Path) -> None:
    package = copy_of_package(tmp_path, mutant["file"])
    path = package / mutant["file"]
    path.write_text(path.read_text(encoding="utf-8").replace(mutant["before"], mutant["after"]), encoding="utf-8")
    done = run_tests(package, mutant["test"])
    skip_where_nothing_ran(done.stdout)
    assert done.returncode == SOME_FAILED, f"survived: {done.stdout[-2000:]}{done.stderr[-500:]}"
