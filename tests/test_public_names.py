"""The names of `import hearsim`: there when asked for, listed, light, and of real types for a type checker."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import hearsim

ROOT = Path(hearsim.__file__).parents[1]
MODULES = {"metrics", "testing"}
USER_SCRIPT = """
import numpy as np
import hearsim as hs

thresholds = {500: 30, 1000: 40, 2000: 55, 4000: 65}
listener = hs.Listener.from_thresholds(thresholds, ucl_db_spl=hs.Ears(left=104, right=104))
hs.Listener.from_thresholds(left={500.0: 30, 2000: 40.5}, right=thresholds)
compression = hs.Compression(ratio=2, knee_db_spl=45, attack_ms=5, release_ms=50)
vent = hs.Vent(cutoff_hz=1000)
own = hs.Aid(scenario="open dome", rule="nal-r", mpo_db_spl=105, compression=compression, vent=vent)
profile = hs.Profile(listener, mix={"vocals": 6}, aid=own)
aid = hs.hearing_aid(profile)
song = hs.read("song.flac")
result = hs.listen(aid, song)
reveal_type(listener)
reveal_type(profile)
reveal_type(aid)
reveal_type(song.rate)
reveal_type(result.heard)
reveal_type(result.score("stoi"))
reveal_type(hs.render(aid, song))
reveal_type(hs.describe(aid))
reveal_type(hs.measure(aid, hs.Format(44100, 2, 512)))
reveal_type(aid(np.zeros((2, 9)), rate=44100))
reveal_type(hs.prescribe("nal-r", listener).gain_db)
hs.testing.check_processor(aid)
hs.no_such_name
"""
FLOAT64 = "numpy.ndarray[_, numpy.dtype[numpy.float64]]"
REVEALED = [
    "hearsim.profile.listener.Listener",
    "hearsim.profile.schema.Profile",
    "hearsim.aid.device.HearingAid",
    "int",
    "hearsim.core.audio.Audio",
    "float",
    "hearsim.core.audio.Audio",
    "str",
    "int",
    FLOAT64,
    FLOAT64,
]


def imported_for_type_checkers() -> dict[str, str | None]:
    """Public name -> module, as `if TYPE_CHECKING` has them."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse((ROOT / "hearsim/__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hearsim":
            found |= {alias.name: None if node.module == "hearsim" else node.module for alias in node.names}
    return found


def test_type_checkers_see_the_names_that_are_there() -> None:
    assert imported_for_type_checkers() == hearsim._HOMES


def test_every_name_is_listed_and_imported() -> None:
    assert set(hearsim.__all__) == set(dir(hearsim))
    for name in hearsim.__all__:
        assert isinstance(getattr(hearsim, name), ModuleType) == (name in MODULES), name
    with pytest.raises(AttributeError, match="no attribute 'hearing_ade'"):
        _ = hearsim.hearing_ade  # type: ignore[attr-defined]


def test_import_takes_less_than_300_ms() -> None:
    code = "import time; t = time.process_time(); import hearsim; print(time.process_time() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.3


def test_a_users_script_has_types(tmp_path: Path) -> None:
    """With the settings of `make check`, which has checked the package itself: its findings are kept in a cache."""
    (tmp_path / "script.py").write_text(USER_SCRIPT)
    command = [sys.executable, "-m", "mypy", tmp_path / "script.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    types = re.sub(r"ndarray\[(tuple\[.*?\]|Any),", "ndarray[_,", done.stdout)  # as all versions of numpy say it
    types = types.replace("numpy.floating[numpy._typing._nbit_base._64Bit]", "numpy.float64")
    assert re.findall(r'Revealed type is "(.*)"', types) == REVEALED, done.stdout
    errors = [line for line in done.stdout.splitlines() if " error: " in line and "/script.py:" in line]
    assert len(errors) == 1 and 'Module has no attribute "no_such_name"' in errors[0], done.stdout


@pytest.mark.parametrize("name", [name for name in hearsim.__all__ if name not in {"__version__", *MODULES}])
def test_public_names_are_documented_with_an_example(name: str) -> None:
    """And the names of their parameters: doctests run the example, this test looks for both."""
    named = getattr(hearsim, name)
    assert named.__doc__ is not None and ">>> " in named.__doc__, f"{name} has no example"
    assert re.search(r"^ *Examples\n *--------$", named.__doc__, re.MULTILINE), f"{name}: its example has no heading"
