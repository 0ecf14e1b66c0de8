"""The commands and their forms: help of every one, the old forms with a note, version, and exit codes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import hearsim
from hearsim.cli import bench, live, models, train
from hearsim.cli.app import app
from hearsim.cli.exits import ExitCode

COMMAND = "from hearsim.cli import main; main()"


def commands(command: Any = None, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every command and group."""
    found = command or get_command(app)
    inner = getattr(found, "commands", {})
    return [path, *(one for name, sub in inner.items() for one in commands(sub, (*path, name)))]


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0 and "Usage:" in result.stdout and result.stderr == ""


def test_help_names_version_and_exit_codes() -> None:
    text = " ".join(CliRunner().invoke(app, ["--help"]).stdout.replace("│", " ").split())
    for code in ExitCode:
        assert f"{code.value} {code.meaning}" in text
    assert CliRunner().invoke(app, ["--version"]).stdout == f"hearsim {hearsim.__version__}\n"


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [
        (models.models, "", "list"),
        (models.models, "--pack a --pack=b --out c --float16", "pack a b --out c --float16"),
        (models.models, "list", None),
        (models.models, "pack a --out c", None),
        (models.models, "lst", None),
        (train.train, "spec.toml --run a", "run spec.toml --run a"),
        (train.train, "--run a spec.toml --variants", "compare --run a spec.toml"),
        (train.train, "run spec.toml", None),
        (train.train, "cmopare spec.toml", None),
        (bench.bench, "", "blocks"),
        (bench.bench, "--profile flat", "blocks --profile flat"),
        (bench.bench, "--systems --table a.csv", "networks --table a.csv"),
        (bench.bench, "--training", "training"),
        (live.live, "--profile flat", "play --profile flat"),
        (live.live, "--loopback --seconds 2", "loopback --seconds 2"),
        (live.live, "play", None),
    ],
)
def test_old_forms_become_new_ones(group: Any, old: str, new: str | None) -> None:
    assert get_command(group).rewrite(old.split()) == (None if new is None else new.split())


def test_an_old_form_works_with_a_note() -> None:
    new, old = (CliRunner().invoke(app, words) for words in (["models", "list"], ["models"]))
    assert (new.stderr, old.exit_code, old.stdout) == ("", 0, new.stdout)
    note = "hearsim: note: `hearsim models` is now `hearsim models list`; the next version takes the new form only\n"
    assert old.stderr.replace("root", "hearsim") == note
    wrong = CliRunner().invoke(app, ["render", "--replay", "gone.jsonl"])
    assert "is now `hearsim live replay gone.jsonl`" in wrong.stderr and "gone.jsonl" in str(wrong.exception)


@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [
        (signal.SIGINT, 130, "hearsim: interrupted (Ctrl-C)\n"),
        (signal.SIGTERM, 143, "hearsim: terminated (SIGTERM)\n"),
        (signal.SIGHUP, 129, "hearsim: the terminal was closed\n"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_signal_ends_a_command_without_traceback(number: int, code: int, sentence: str, turned: bool) -> None:
    """Also where an extension's import turns what was raised into an ImportError."""
    body = f"import os\ntry:\n    os.kill(os.getpid(), {int(number)})\n"
    body += "except BaseException:\n    raise ImportError('initialization failed')" if turned else "finally:\n    pass"
    script = f"from hearsim.cli.exits import run\ndef command():\n    exec({body!r})\nrun(command)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", sentence)


def test_ctrl_c_during_any_import_of_a_command_leaves_no_traceback(tmp_path: Path) -> None:
    """The command interrupts itself at the first import of each of several heavy packages."""
    for package in ("typer", "numpy", "scipy", "torch", "numba", "pydantic"):
        script = (
            "import builtins, os, signal, sys\n"
            "from hearsim.cli import main\n"
            "ordinary = builtins.__import__\n"
            "def importing(name, *rest, **more):\n"
            f"    if name == {package!r} and {package!r} not in sys.modules:\n"
            "        os.kill(os.getpid(), signal.SIGINT)\n"
            "    return ordinary(name, *rest, **more)\n"
            "builtins.__import__ = importing\n"
            "sys.argv = ['hearsim', 'show', 'flat']\n"
            "main()\n"
        )
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=dict(os.environ))
        assert (done.returncode, done.stderr) == (130, "hearsim: interrupted (Ctrl-C)\n"), package
