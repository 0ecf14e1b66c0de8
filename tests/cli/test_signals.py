"""A command that is ended in the middle of its work leaves nothing half done behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
NUMBER = int(sys.argv.pop())
from hearsim.report import run

def process(source, profile, folder, *rest):
    assert (folder / "demo" / "song.wav").exists()
    os.kill(os.getpid(), NUMBER)

run.process = process
from hearsim.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_render_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, "render", "--out", "new/out", str(int(number))],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (128 + number, 1), done.stderr
    assert list(tmp_path.iterdir()) == []
