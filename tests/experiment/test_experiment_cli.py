"""`hearsim experiment` as a user types it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hearsim.cli import main
from hearsim.cli.experiment import _lines
from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.experiment.plan import cells_of
from hearsim.experiment.spec import read_study
from hearsim.music.demo_song import demo_song
from hearsim.profile.schema import STEMS

Run = Callable[..., tuple[int, str, str]]
SPEC = """
name = "typed"
metrics = ["lufs", "remix_csdr_db"]
[factors]
listeners = ["N2"]
songs = [{ style = "pop", seconds = 3 }]
mixes = ["flat", "vocals-up"]
models = ["oracle"]
"""


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder with an experiment."""
    (tmp_path / "experiment.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # where decoded songs are cached

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hearsim", "experiment", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return command


def test_a_dry_run_plans_and_estimates_and_leaves_nothing(typed: Run, tmp_path: Path) -> None:
    code, out, _ = typed("run", "experiment.toml", "--dry-run", "--workers", "1")
    assert code == 0
    assert "typed: 2 cells (1 listener x 1 song x 1 seed x 2 mixes x 1 aid x 1 model)" in out
    assert "mix: flat, vocals-up" in out and "2 cells to compute, 1 songs and separations to make: about" in out
    assert "on 1 core with the machine as busy as now (" in out
    lines = out.splitlines()
    timing = [index for index, line in enumerate(lines) if line.startswith("timing 4 s excerpts: ")]
    assert len(timing) == 3 and lines[timing[0]].endswith("1 of 3 ...")
    assert max(timing) < next(index for index, line in enumerate(lines) if "cells to compute" in line)
    assert not (tmp_path / "out").exists()


def test_levels_without_effect_are_said_before_and_after_the_run(typed: Run, tmp_path: Path) -> None:
    louder = '{ name = "louder", gains_db = { vocals = 6 } }, { name = "up", gains_db = { vocals = 6 } }'
    (tmp_path / "experiment.toml").write_text(SPEC.replace('"flat", "vocals-up"', louder))
    plan = "note: mix: louder and up make the same cells, so their results can't differ\n"
    code, out, _ = typed("run", "experiment.toml", "--dry-run", "--workers", "1")
    assert code == 0 and plan in out
    code, out, _ = typed("run", "experiment.toml", "--workers", "1")
    assert code == 0 and out.index(plan) < out.index("2 cells computed") < out.index("note: mix: its levels louder and")
    assert "gave the same figures in the only pair of cells that differ in it alone, so it had no effect here\n" in out


def test_progress_is_lines_where_no_terminal_shows_a_bar(
    typed: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = typed("run", "experiment.toml", "--workers", "1")
    assert code == 0 and err.splitlines() == ["songs: 1 of 1", "cells: 1 of 2", "cells: 2 of 2"]
    assert "songs:" not in out
    time_s = iter(range(100))
    show = _lines(lambda: next(time_s))
    for done in range(1, 101):
        show("cells", done, 100)
    printed = [int(line.split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert printed == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    slow = _lines(iter(range(0, 10_000, 25)).__next__)
    for done in range(1, 10):
        slow("cells", done, 100)
    printed = [int(line.split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert printed == [4, 7]  # 75 s after the line before


def test_a_run_and_its_report_on_a_folder_of_songs(typed: Run, tmp_path: Path) -> None:
    stems = demo_song(4.0, seed=5)
    for name, samples in zip(STEMS, stems.samples, strict=True):
        (tmp_path / "mine" / "tune").mkdir(parents=True, exist_ok=True)
        write(tmp_path / "mine" / "tune" / f"{name}.wav", Audio(samples, stems.rate))
    code, out, _ = typed("run", "experiment.toml", "--songs", "mine", "--workers", "1")
    assert code == 0 and "2 cells computed, 0 reused from earlier runs, 0 failed" in out
    folder = tmp_path / "out" / "experiment-typed"
    assert (folder / "results.csv").read_text().count("N2,tune,0,") == 4
    code, out, _ = typed("report", "experiment.toml")
    assert code == 0 and "report.html" in out
    code, out, _ = typed("report", "experiment.toml", "--json")
    means = {(row["metric"], row["mix"]): row["mean"] for row in json.loads(out)["summary"] if row["listener"] == "N2"}
    assert code == 0 and len(means) == 4 and all(isinstance(mean, int | float) for mean in means.values())
    assert f"{means['lufs', 'flat']:.4f}" in (folder / "summary.csv").read_text()
    assert "tune" not in (folder / "summary.csv").read_text()  # takes are what means are over
    assert "vocals-up" in (folder / "summary.csv").read_text()


def test_a_whole_song_is_one_take_with_any_number_of_seeds(typed: Run, tmp_path: Path) -> None:
    """An excerpt of another song, beside it, is drawn by each seed."""
    stems = demo_song(4.0, seed=5)
    (tmp_path / "mine" / "tune").mkdir(parents=True)
    for name, samples in zip(STEMS, stems.samples, strict=True):
        write(tmp_path / "mine" / "tune" / f"{name}.wav", Audio(samples, stems.rate))
    spec = SPEC.replace('{ style = "pop", seconds = 3 }', '{ folder = "mine", seconds = 5 }')
    spec = spec.replace("models =", "seeds = [0, 1, 2]\nmodels =") + '[report]\nbaseline = { mix = "flat" }\n'
    (tmp_path / "experiment.toml").write_text(spec)
    code, out, _ = typed("run", "experiment.toml", "--workers", "1")
    assert code == 0 and "2 cells computed, 0 reused" in out
    code, out, _ = typed("report", "experiment.toml", "--json")
    differences = json.loads(out)["differences"]
    assert code == 0 and differences and all(row["takes"] == 1 and row["low"] is None for row in differences)
    (tmp_path / "experiment.toml").write_text(spec.replace("seconds = 5", "seconds = 3"))
    assert len(cells_of(read_study(tmp_path / "experiment.toml"))) == 6


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (("[factors]", f"[factors]\nseeds = {list(range(20000))}"), "", "makes 40,000 cells (1 listener x 1 song"),
        (("", ""), "--shard 5/4", "--shard 5/4 is not part of a whole: write it as 1/4 .. 4/4"),
        (("", ""), "--shard ²/4", "--shard ²/4 is not part of a whole"),
        (("", ""), "--songs nowhere", "nowhere is not a folder"),
        (('"flat", "vocals-up"', ""), "", "factors.mixes is empty, so there are no cells"),
        (("listeners", "listner"), "", "factors.listner is not known: did you mean listeners"),
        (("", ""), "--out experiment.toml", "experiment.toml is a file: choose another --out"),
    ],
)
def test_bad_input_is_one_sentence(
    typed: Run, tmp_path: Path, change: tuple[str, str], arguments: str, words: str
) -> None:
    (tmp_path / "experiment.toml").write_text(SPEC.replace(*change))
    code, _, err = typed("run", "experiment.toml", *arguments.split())
    assert code == 2 and words in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["experiment.toml"]
