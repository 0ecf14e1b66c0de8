"""A command that is ended in the middle of its work leaves nothing half done behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from export_sample import write_spec
from trees import TINY_MODEL, noise_song

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


HOOK = """
import os, sys
from importlib import import_module
COMMAND, NUMBER = sys.argv.pop(), int(sys.argv.pop())

def end(*arguments, **settings):
    os.kill(os.getpid(), NUMBER)

if COMMAND == "replay":
    from types import SimpleNamespace
    import numpy as np
    from hearsim.live import log, replay
    session = SimpleNamespace(source={"demo": True}, rate=44100, end=44100, recordings=[])
    log.read_log, replay.Checksums = lambda path: session, lambda log: SimpleNamespace(add=end)
    replay.replay = lambda session, source: iter([np.zeros((2, 512))] * 2)
else:
    place, name = {
        "export": ("hearsim.listening_test.build", "_write_stimulus"),
        "train": ("hearsim.training.loop", "save_weights"),
        "experiment": ("hearsim.experiment.store.Store", "save"),
    }[COMMAND]
    module, _, kind = place.partition(".Store")
    owner = import_module(module).Store if kind else import_module(module)
    assert hasattr(owner, name)
    setattr(owner, name, end)
from hearsim.cli import main
main()
"""
STUDY = """
name = "typed"
metrics = ["lufs"]
[factors]
listeners = ["N2"]
songs = [{ style = "pop", seconds = 3 }]
mixes = ["flat", "vocals-up"]
models = ["oracle"]
"""
TRAINING = (
    TINY_MODEL
    + """
[data]
root = "songs"
cache = "cache"
[optimizer]
steps = 2
batch = 1
seconds = 0.1
pieces = 2
"""
)


def ended(tmp_path: Path, command: str, arguments: str, number: int = signal.SIGTERM) -> str:
    """Run a command that is ended in the middle of its work; return what it printed on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", HOOK, *arguments.split(), str(int(number)), command],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
    return done.stderr


def test_an_export_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    write_spec(tmp_path)
    assert ended(tmp_path, "export", "export write spec.toml --out new/out") == "hearsim: terminated (SIGTERM)\n"
    assert not (tmp_path / "new").exists()


def test_a_replay_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").touch()
    assert ended(tmp_path, "replay", "live replay log.jsonl --out new/out") == "hearsim: terminated (SIGTERM)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_training_that_is_ended_leaves_nothing_half_written(tmp_path: Path) -> None:
    for number in range(2):
        noise_song(tmp_path / "songs" / f"song{number}", number)
    (tmp_path / "spec.toml").write_text(TRAINING)
    assert ended(tmp_path, "train", "train run spec.toml --run run") == "hearsim: terminated (SIGTERM)\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_experiment_that_is_ended_leaves_no_shared_memory(tmp_path: Path, number: signal.Signals) -> None:
    """While its worker processes are at work."""
    (tmp_path / "spec.toml").write_text(STUDY)
    said = ended(tmp_path, "experiment", "experiment run spec.toml --out out --workers 2", number)
    assert said.count("\n") == 1, said  # neither "leaked" nor a traceback


@pytest.mark.parametrize("module", ["shlex", "numpy", "hearsim.live.session"])
def test_ctrl_c_during_an_import_is_no_traceback(tmp_path: Path, module: str) -> None:
    """The first second of `live` is one of imports, C extensions among them."""
    code = """
import os, signal, sys
module = sys.argv.pop()
sys.addaudithook(lambda event, what: os.kill(os.getpid(), 2) if event == "import" and what[0] == module else None)
from hearsim.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "live", "play", "--device", "null", "--no-page", "--seconds", "0", module],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "hearsim: interrupted (Ctrl-C)\n")
