"""A command that is ended in the middle of its work leaves nothing half done behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from export_sample import write_spec
from trees import TINY_MODEL, noise_song

from hearsim.cli import main
from hearsim.cli.exits import ExitCode

CODE = """
import os, sys
NUMBER = int(sys.argv.pop())
from hearsim.music import songs
from hearsim.report import run

demo_song = songs.demo_song
songs.demo_song = lambda: demo_song(3.0)

def process(source, profile, folder, *rest):
    assert (folder / "demo" / "song.wav").exists()
    os.kill(os.getpid(), NUMBER)

run.process = process
from hearsim.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_render_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, "render", "--out", "new/out", str(int(number))],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (128 + number, 1), done.stderr
    assert list(tmp_path.iterdir()) == []


HOOK = """
import os, sys
NUMBER = int(sys.argv.pop())
from hearsim.experiment.store import Store

def end(*arguments, **settings):
    os.kill(os.getpid(), NUMBER)

Store.save = end
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


Ended = Callable[..., str]


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Ended]:
    """Run a command, here, that gets SIGTERM where it calls a function; return what it printed on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run(command: str, function: str) -> str:
        monkeypatch.setattr(function, end)
        monkeypatch.setattr(sys, "argv", ["hearsim", *command.split()])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == ExitCode.TERMINATED
        assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
        return capsys.readouterr().err

    previous = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, previous)


def end(*arguments: object, **settings: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_an_export_that_is_ended_leaves_nothing(tmp_path: Path, ended: Ended) -> None:
    write_spec(tmp_path)
    said = ended("export write spec.toml --out new/out", "hearsim.listening_test.build._write_stimulus")
    assert said == "hearsim: terminated (SIGTERM)\n"
    assert not (tmp_path / "new").exists()


def test_a_replay_that_is_ended_leaves_nothing(tmp_path: Path, ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.jsonl").touch()
    session = SimpleNamespace(source={"demo": True}, rate=44100, end=44100, recordings=[])
    monkeypatch.setattr("hearsim.live.log.read_log", lambda path: session)
    monkeypatch.setattr("hearsim.live.replay.replay", lambda session, source: iter([np.zeros((2, 512))] * 2))
    said = ended("live replay log.jsonl --out new/out", "hearsim.live.replay.Checksums.add")
    assert said == "hearsim: terminated (SIGTERM)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_training_that_is_ended_leaves_nothing_half_written(tmp_path: Path, ended: Ended) -> None:
    for number in range(2):
        noise_song(tmp_path / "songs" / f"song{number}", number)
    (tmp_path / "spec.toml").write_text(TRAINING)
    said = ended("train run spec.toml --run run", "hearsim.training.loop.save_weights")
    assert said == "hearsim: terminated (SIGTERM)\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_experiment_that_is_ended_leaves_no_shared_memory(tmp_path: Path, number: signal.Signals) -> None:
    """While its worker processes are at work."""
    (tmp_path / "spec.toml").write_text(STUDY)
    command = ["experiment", "run", "spec.toml", "--out", "out", "--workers", "2", str(int(number))]
    done = subprocess.run(
        [sys.executable, "-c", HOOK, *command], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
    said = [line for line in done.stderr.splitlines() if not line.startswith("songs: ")]
    assert len(said) == 1, done.stderr  # neither "leaked" nor a traceback


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
