"""The tests find deliberate faults: each change of mutants.toml turns the test file of its room red."""

import os
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
ROOMS = {
    "aid",
    "core",
    "dsp",
    "ear",
    "experiment",
    "listening_test",
    "live",
    "metrics",
    "profile",
    "separation",
    "simulation",
    "training",
}


def test_every_mutant_can_be_applied() -> None:
    names = Counter(one["name"] for one in MUTANTS)
    assert len(MUTANTS) >= 60 and max(names.values()) == 1
    for one in MUTANTS:
        source = (PACKAGE / one["file"]).read_text(encoding="utf-8")
        assert source.count(one["before"]) == 1, f"{one['name']}: adapt `before` to {one['file']}"
        assert one["before"] != one["after"] and (TESTS / one["test"]).is_file(), one["name"]
    assert {one["file"].split("/")[0] for one in MUTANTS} >= ROOMS


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[one["name"] for one in MUTANTS])
def test_a_fault_turns_the_tests_of_its_room_red(mutant: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "hearsim", ignore=shutil.ignore_patterns("__pycache__"))
    for data in ("profiles", "models"):
        (tmp_path / data).symlink_to(PACKAGE.parent / data)
    path = tmp_path / "hearsim" / mutant["file"]
    path.write_text(path.read_text(encoding="utf-8").replace(mutant["before"], mutant["after"]), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(TESTS / mutant["test"])]
    here = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=TESTS.parent, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 1, f"survived: {done.stdout[-2000:]}{done.stderr[-500:]}"  # 1: tests ran, and one failed
