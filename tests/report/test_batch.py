"""`hearsim render` of several songs: each in a folder of its own, as if rendered alone; nothing overwritten."""

import json
import shutil
from pathlib import Path

import pytest
from quick_model import with_quick_model
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.core.audio import Audio
from hearsim.core.audio_files import read, write
from hearsim.music.demo_song import demo_song, mixture
from hearsim.report.run import render_song


@pytest.fixture
def songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_page: None) -> Path:
    """Two songs, one twice as loud, with a stem, a text and a hidden file beside them."""
    folder = tmp_path / "songs"
    folder.mkdir()
    song = mixture(demo_song(3.0))
    write(folder / "b.wav", Audio(song.samples[:, :44100] * 2, song.rate))
    write(folder / "A [live].wav", Audio(song.samples[:, :44100], song.rate))
    shutil.copy(folder / "b.wav", folder / "vocals.wav")
    shutil.copy(folder / "b.wav", folder / ".hidden.wav")
    (folder / "notes.txt").write_text("no sound")
    monkeypatch.setattr("hearsim.profile.load.load_profile", with_quick_model)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_folder_is_rendered_song_by_song(songs: Path) -> None:
    command = ["render", "songs", "--profile", "moderate-vocals-up", "--out", "out"]
    done = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in Path("out").iterdir()) == ["A [live]", "b"]
    first, second, *table = done.stdout.splitlines()
    assert first == "songs/A [live].wav: out/A [live]/report.html" and second == "songs/b.wav: out/b/report.html"
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table if line.startswith("│")]
    assert [row[:2] for row in rows] == [["A [live]", "1.0"], ["b", "1.0"]]
    assert float(rows[1][2]) - float(rows[0][2]) == pytest.approx(6.02, abs=0.11)  # LUFS of the input
    render_song(songs / "b.wav", with_quick_model("moderate-vocals-up"), Path("alone"))
    assert (read("out/b/aided.wav").samples == read("alone/aided.wav").samples).all()

    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}
    again = CliRunner().invoke(app, command)
    assert "already holds report.json" in str(again.exception) and again.stdout == ""
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()} == before
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0


def test_a_song_that_fails_does_not_stop_the_others(songs: Path) -> None:
    (songs / "a.wav").write_text("no sound")
    done = CliRunner().invoke(app, ["render", "songs/a.wav", "songs/b.wav", "--profile", "flat", "--json"])
    assert done.exit_code == 1 and done.stderr.startswith("hearsim: songs/a.wav can't be read as audio")
    found = json.loads(done.stdout)
    assert list(found["reports"]) == ["b"] and found["failed"][0]["song"] == "songs/a.wav"
    assert not Path("out/a").exists() and Path("out/b/report.html").is_file()
