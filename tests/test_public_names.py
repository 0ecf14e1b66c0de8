"""The names of `import hearsim`: all there, and none hidden by a module of the same name."""

import subprocess
import sys

import pytest

CHECK = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
import hearsim
for _ in range(2):
    assert callable(hearsim.hearing_aid) and callable(hearsim.demo_song), (hearsim.hearing_aid, hearsim.demo_song)
    for name in hearsim.__all__:
        assert type(getattr(hearsim, name)).__name__ != "module", name
from hearsim.aid.hearing_aid import hearing_aid
assert hearing_aid is hearsim.hearing_aid
"""


@pytest.mark.parametrize("first", [[], ["hearsim.aid.hearing_aid", "hearsim.music.demo_song"]])
def test_public_names_are_no_modules(first: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", CHECK, *first], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
