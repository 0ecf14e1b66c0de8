"""An installation that can't be written: no place for compiled loops, and everything runs all the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import hearsim
from hearsim.aid.limiter import MpoLimiter
from hearsim.core.audio import Format

CODE = """
import sys
import numpy as np
import hearsim
from hearsim.core.audio import Format
from hearsim.aid.limiter import MpoLimiter
assert hearsim.__file__.startswith(sys.argv[1]), hearsim.__file__
stage = MpoLimiter((98.0, 98.0))
stage.prepare(Format(44100, 2, 64, unit="pa"))
print(stage.process(np.full((2, 64), 10.0, np.float32)).tobytes().hex())
"""


def test_loops_compile_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Files stand where numba wants folders, which stops even the superuser."""
    site, blocked = tmp_path / "site", tmp_path / "blocked"
    shutil.copytree(Path(hearsim.__file__).parent, site / "hearsim", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "hearsim" / "dsp" / "__pycache__").touch()
    blocked.touch()
    lost = {"HOME": str(blocked), "XDG_CACHE_HOME": str(blocked), "NUMBA_CACHE_DIR": str(blocked / "cache")}
    environment = {**os.environ, **lost, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(site)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = MpoLimiter((98.0, 98.0))
    here.prepare(Format(44100, 2, 64, unit="pa"))
    assert done.stdout.strip() == here.process(np.full((2, 64), 10.0, np.float32)).tobytes().hex()
    assert not list(site.rglob("*.nbi"))
