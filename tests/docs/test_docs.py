"""README and the pages of hearsim/docs: their files, snippets and commands run, their links lead somewhere.

The fences of a page run in order, in a folder that holds a song (`song.flac`), its stems (`stems/`), a folder of tracks
(`songs/`) and the files of profiles.md. A block whose first line is a comment with a file name is that file; python
blocks of a page share a namespace; each line of a bash block is a
`hearsim` command. `bash no-run` marks commands that a test
can't run; NOT_RUN gives the reasons.
"""

import importlib
import re
import shlex
import shutil
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import hearsim

PACKAGE = Path(hearsim.__file__).parent
ROOT = PACKAGE.parent
PAGES = [ROOT / "README.md", *sorted((PACKAGE / "docs").glob("*.md"))]
NAMES = [page.stem for page in PAGES]
SLOW = {"cli", "experiments", "listening-tests", "profiles"}  # they compute for more than 20 s
NOT_RUN = {  # the commands of `bash no-run` blocks, by their beginnings, and why a test can't run them
    "pip ": "installs; the test takes the entry points from pyproject.toml itself",
    "make ": "installs the project, or is the test suite itself",
    ".venv/bin/pytest ": "is the test suite itself",
    "hearsim live play": "needs a sound device, and plays until it is stopped",
    "hearsim live loopback": "needs a sound device, and a cable",
    "hearsim live replay": "needs the log of a live session",
    "jackd ": "needs a JACK server",
    "jack_": "needs a JACK server",
    "hearsim export collect": "needs a checkout of webMUSHRA, and serves until it is stopped",
    "hearsim export analyse": "needs the ratings of participants",
    "hearsim train": "trains for an hour, with songs that do not come with the project",
    "hearsim models pack": "needs a training run",
    "hearsim evaluate": "needs a data set",
    "torchrun ": "trains for an hour",
    "hearsim bench": "takes minutes",
}


class Fence(NamedTuple):
    """A fenced block: its info string, its text, and the line that it begins in."""

    info: str
    text: str
    line: int

    @property
    def file(self) -> str:
        """The name of the file that the block is; "" for others."""
        found = re.match(r"# (\S+\.\w+)\n", self.text)
        return found.group(1) if found else ""


def fences(page: Path) -> list[Fence]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(.*)\n((?:(?!```).*\n)*?)```$", text, re.MULTILINE)
    return [Fence(one.group(1), one.group(2), text[: one.start()].count("\n") + 1) for one in found]


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The songs that the pages speak of, for the pages of the quick suite half as long."""
    folder = tmp_path_factory.mktemp("sounds")
    stems = hearsim.demo_song(3.0)
    for length, seconds in (("whole", 3.0), ("short", 1.5)):
        parts = stems.samples[..., : round(seconds * stems.rate)]
        for place in ("stems", "songs/one"):
            (folder / length / place).mkdir(parents=True)
            for name, samples in zip(("vocals", "drums", "bass", "other"), parts, strict=True):
                hearsim.write(folder / length / place / f"{name}.wav", hearsim.Audio(np.asarray(samples), stems.rate))
        hearsim.write(folder / length / "song.flac", hearsim.Audio(parts.sum(axis=0), stems.rate))
    return folder


@pytest.fixture
def here(request: pytest.FixtureRequest, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to follow a page in, with the files of profiles.md."""
    length = "whole" if request.node.get_closest_marker("slow") else "short"
    shutil.copytree(sounds / length, tmp_path, dirs_exist_ok=True)
    for one in fences(PACKAGE / "docs" / "profiles.md"):
        if one.file:
            (tmp_path / one.file).write_text(one.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else []) for page in PAGES],
)
def test_snippets_and_commands_run(page: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for one in fences(page):
        where = f"{page}:{one.line}"
        if one.file:
            (here / one.file).write_text(one.text, encoding="utf-8")
        if one.file == "pyproject.toml":
            install(here, tomllib.loads(one.text))
        if one.info == "python":
            exec(compile(one.text, where, "exec"), namespace)
        elif one.info == "bash":
            for command in filter(None, map(str.strip, one.text.splitlines())):
                run(command, where, monkeypatch)


def install(here: Path, project: dict[str, dict[str, Any]]) -> None:
    """Make the entry points of a project in this folder known, as `pip install -e .` does."""
    name, version = project["project"]["name"], project["project"]["version"]
    folder = here / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in project["project"]["entry-points"].items()
    ]
    (folder / "entry_points.txt").write_text("".join(groups), encoding="utf-8")
    importlib.invalidate_caches()


def run(command: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `hearsim ...` in this process, where its imports are made already."""
    from hearsim.cli import main

    monkeypatch.setattr(sys, "argv", shlex.split(command, comments=True))
    assert sys.argv[0] == "hearsim", f"{where}: {command}"
    try:
        main()
    except SystemExit as end:
        assert not end.code, f"{where}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_fences_say_what_they_are(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(fences(page))
    for one in fences(page):
        where = f"{page}:{one.line}"
        assert one.info in {"", "bash", "bash no-run", "python", "toml", "json", "text"}, where
        if one.info == "bash no-run":
            for command in filter(None, map(str.strip, one.text.splitlines())):
                assert command.startswith(tuple(NOT_RUN)), f"{where}: run it, or say in NOT_RUN why not: {command}"


def commands(page: Path) -> list[list[str]]:
    """The words of every `hearsim` command of a page, in fences and in the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for one in fences(page) if one.info.startswith("bash") for line in one.text.splitlines()]
    quoted = re.findall(r"`(hearsim [^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    words = [shlex.split(line, comments=True) for line in (*lines, *quoted)]
    return [one[1:] for one in words if one[:1] == ["hearsim"]]


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "changelog"], ids=lambda page: page.stem)
def test_commands_and_options_exist(page: Path) -> None:
    from typer.main import get_command

    from hearsim.cli.app import app

    for words in commands(page):
        command, place = get_command(app), 0
        while words[place:] and getattr(command, "commands", None) and words[place] in command.commands:
            command, place = command.commands[words[place]], place + 1
        assert place or words[:1][0].startswith(("-", "COMMAND")), f"{page}: hearsim {' '.join(words)}"
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
        options = {word.partition("=")[0] for word in words[place:] if word.startswith("--")}
        assert options <= known | {"--install-completion"}, f"{page}: hearsim {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("https://", "http://")):
            assert (page.parent / target).exists(), f"{page}: {target}"
    for path in re.findall(r"`((?:hearsim|tests|profiles|models|experiments)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), f"{page}: {path}"


def test_readme_is_short_and_names_every_page() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert 80 <= len(text.splitlines()) <= 120
    for page in PAGES[1:]:
        assert f"(hearsim/docs/{page.name})" in text


def test_readme_figures_are_those_of_the_study() -> None:
    """The gain of vocals-up, from the table that the study ships with."""
    import csv

    with (ROOT / "experiments" / "vocals-up" / "expected.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "estoi_audible"]
    means = {
        mix: np.mean([float(row["value"]) for row in rows if row["mix"] == mix]) for mix in {row["mix"] for row in rows}
    }
    gain = means["+6 dB"] - means["flat"]
    sentence = f"from {means['flat']:.3f} to {means['+6 dB']:.3f}, by {gain:.3f} ["
    assert sentence in PAGES[0].read_text(encoding="utf-8").replace("\n", " "), sentence


def test_readme_ledger_is_that_of_the_default_profile() -> None:
    from hearsim.core.probing import measure, measured_ledger

    block = next(one for one in fences(PAGES[0]) if one.info == "text" and "live delay" in one.text)
    aid, fmt = hearsim.hearing_aid(hearsim.load_profile("moderate-vocals-up")), hearsim.Format(44100, 2, 512)
    ledger = replace(measured_ledger(aid, fmt), measured_samples=measure(aid, fmt))
    assert block.text.splitlines() == str(ledger).splitlines()
