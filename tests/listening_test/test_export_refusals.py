"""Bad specs of listening tests: one sentence with file, key, value and cure; nothing is left behind or lost."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from export_sample import TINY, write_spec

from hearsim.cli import main
from hearsim.core.errors import HearsimError
from hearsim.listening_test import build as building
from hearsim.listening_test.build import build
from hearsim.listening_test.spec import read_plan

RATE = 44100


def refused(path: Path, out: Path, **options: bool) -> str:
    before = sorted(out.parent.iterdir()) if out.parent.exists() else None
    with pytest.raises(HearsimError) as error:
        build(path, out, **options)
    assert (sorted(out.parent.iterdir()) if out.parent.exists() else None) == before
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seconds = 1", "second = 1", "spec.toml: the key second is not known: did you mean seconds"),
        ("start_s = 3", "start = 3", "spec.toml: the key songs[0].start is not known: did you mean start_s"),
        ('listener = "N3"', 'listner = "N3"', "the key participants[0].listner is not known: did you mean listener?"),
        ('listener = "N3"', 'listener = "N33"', "participant P01: no listener is called 'N33'"),
        ('mix = "vocals-up"', 'mix = "vocal-up"', "spec.toml: mix: no mix is called 'vocal-up'"),
        ('mix = "flat"', 'mix = "flatt"', "spec.toml: condition unprocessed: no mix is called 'flatt'"),
        ('model = "oracle"', 'model = "orakle"', "condition unprocessed: no model is called 'orakle'"),
        ('rig = "aid"', "", "spec.toml: the key rig is missing: add it"),
        ('rig = "aid"', 'rig = "reference"', "would clip the headphones of rig reference"),
        ('aid = "closed"', 'aid = "open"', "aid open has a vent, and headphones play no direct sound"),
        ('[[songs]]\nname = "one"\ndemo = 0\nstart_s = 3\n', "", "spec.toml: the key songs is missing"),
        ('name = "tiny"', 'name = "tiny"\nmethod = "abx"', "method = 'abx' is not known: give 'mushra' or 'paired'"),
        ('name = "tiny"', 'name = "ti ny/"', "name = 'ti ny/': take letters, digits, - and _, 40 at most"),
        ('["plain"]', "[]", "formats = [] is empty: give at least 1 value"),
        ('["plain"]', '["html"]', "formats[0] = 'html' is not known: give 'webmushra', 'beaqlejs' or 'plain'"),
        ("seconds = 1", "seconds = 12.5", "seconds = 12.5 is too high: give 12 or less"),
        ("seconds = 1", 'seconds = "1"', "seconds = '1' is not a number"),
        ("seconds = 1", "seconds = 1\ngain_db = nan", "gain_db = nan is"),
        ("demo = 0", "", "songs[0]: give either path (a music file) or demo (a seed of the built-in song)"),
        ("demo = 0", 'demo = 0\nstems = "x"', "songs[0]: the built-in song has its own stems"),
        ("demo = 0", 'path = "no.wav"', "no.wav: there is no such file"),
        ("seconds = 1", 'seconds = 1\npractice = "two"', "practice = 'two' is not one of the songs: name one of "),
        ('name = "unprocessed"', 'name = "Reference"', "conditions can't be called Reference"),
        ("[[conditions]]", '[[conditions]]\nname = "Unprocessed"\n[[conditions]]', "two conditions are called"),
    ],
)  # fmt: skip
def test_a_bad_spec_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TINY
    path = tmp_path / "spec.toml"
    path.write_text(TINY.replace(old, new, 1))
    sentence = refused(path, tmp_path / "out" / "deep")
    assert said in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


def test_no_toml(tmp_path: Path) -> None:
    assert "nowhere.toml can't be read" in refused(tmp_path / "nowhere.toml", tmp_path / "out")
    (tmp_path / "spec.toml").write_text("name = ")
    assert "spec.toml is not TOML" in refused(tmp_path / "spec.toml", tmp_path / "out")


def test_no_conditions_and_too_many(tmp_path: Path) -> None:
    head = TINY.partition("[[conditions]]")[0]
    assert "conditions = [] is empty" in refused(write_spec(tmp_path, "conditions = []\n" + head), tmp_path / "out")
    many = "".join(f'[[conditions]]\nname = "c{n}"\n' for n in range(10))
    sentence = refused(write_spec(tmp_path, head + many), tmp_path / "out")
    assert "there are 10 conditions: a MUSHRA trial takes 9 beside reference and anchors" in sentence
    read_plan(write_spec(tmp_path, head + many, method='"paired"'))  # pairs have no such limit


def test_a_million_stimuli_need_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    songs = "".join(f'[[songs]]\nname = "s{n}"\ndemo = {n}\n' for n in range(400))
    path = write_spec(tmp_path, TINY + songs)
    sentence = refused(path, tmp_path / "out")
    assert "1 listener x 401 songs x 4 versions are 1604 stimuli, 0.4 GB: give --yes" in sentence
    monkeypatch.setattr(building, "MANY", 1)
    path = write_spec(tmp_path)
    refused(path, tmp_path / "out")
    build(path, tmp_path / "out", yes=True)


def test_no_room_is_found_before_anything_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: type("Usage", (), {"free": 1000}))
    sentence = refused(write_spec(tmp_path), tmp_path / "out")
    assert "0.0 GB left: choose another --out" in sentence


def test_a_disk_that_fills_up_in_mid_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third file finds no room: the sentence says so, the earlier export stays as it was."""
    path = write_spec(tmp_path)
    out = build(path, tmp_path / "out")
    manifest = (out / "manifest.json").read_bytes()
    written: list[Path] = []
    write_bytes = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        written.append(self)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    sentence = refused(path, out, force=True)
    assert "out can't be written (No space left on device)" in sentence
    assert (out / "manifest.json").read_bytes() == manifest


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    path, out = write_spec(tmp_path), tmp_path / "out"
    build(path, out)
    first = (out / "manifest.json").read_bytes()
    assert "already holds a listening test: choose another --out, or give --force" in refused(path, out)
    path = write_spec(tmp_path, seed="9")
    (out / "plain" / "mine.yaml").write_text("my own")
    build(path, out, force=True)
    assert (out / "manifest.json").read_bytes() != first
    assert (out / "plain" / "mine.yaml").read_text() == "my own"
    table = json.loads((out / "manifest.json").read_text())
    files = {one.relative_to(out).as_posix() for one in out.rglob("*") if one.is_file()}
    assert files == {*table["files"], "plain/mine.yaml"}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "spec.toml"]

    def collecting(done: int, total: int) -> None:
        (out / "results").mkdir(exist_ok=True)

    with pytest.raises(HearsimError, match="holds results, which are never replaced"):
        build(path, out, force=True, progress=collecting)  # a collector was started in mid-run
    assert "holds results, which are never replaced" in refused(path, out, force=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    assert "other holds thesis.tex and no listening test" in refused(path, other, force=True)
    assert "spec.toml is a file" in refused(path, path)


def test_a_condition_that_clips(tmp_path: Path) -> None:
    sentence = refused(write_spec(tmp_path, gain_db="24"), tmp_path / "out")
    assert "reference of song one clips for listener N3: its peak is" in sentence
    allowed = float(sentence.rpartition("this file needs ")[2].split()[0])
    assert 0 < allowed < 24
    build(write_spec(tmp_path, gain_db=str(allowed - 8)), tmp_path / "out")  # other versions have higher peaks


def test_stimuli_of_unequal_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "stems").mkdir()
    sound = 0.1 * rng.standard_normal((2 * RATE, 2))
    soundfile.write(tmp_path / "song.wav", sound, RATE)
    soundfile.write(tmp_path / "stems/vocals.wav", sound[:-1], RATE)
    text = TINY.replace("demo = 0", 'path = "song.wav"')
    sentence = refused(write_spec(tmp_path, text), tmp_path / "out")
    assert "song.wav lasts 2.00 s, less than an excerpt of 1 s from 3 s on needs: lower start_s" in sentence
    text = text.replace("start_s = 3", 'start_s = 0.5\nstems = "stems"')
    sentence = refused(write_spec(tmp_path, text), tmp_path / "out")
    assert "vocals.wav is 88199 samples long" in sentence
    soundfile.write(tmp_path / "stems/vocals.wav", sound, RATE)
    sentence = refused(write_spec(tmp_path, text), tmp_path / "out")
    assert "song one lacks the true stem drums, which the mix vocals-up" in sentence
    soundfile.write(tmp_path / "song.wav", 0 * sound, RATE)
    sentence = refused(write_spec(tmp_path, text, mix='"flat"'), tmp_path / "out")
    assert "reference of song one: loudness can't be measured: the signal is silent" in sentence


def test_a_listener_file_with_one_bad_row(tmp_path: Path) -> None:
    """Who is named in a good row takes part; the bad row is named when somebody asks for it."""
    good = {"audiogram_cfs": [250, 1000, 4000], "audiogram_levels_l": [20, 30, 60], "audiogram_levels_r": [20, 30, 50]}
    rows = {"L1": good, "L2": good | {"audiogram_levels_l": [20, 30, 600]}}
    (tmp_path / "listeners.json").write_text(json.dumps(rows))
    path = write_spec(tmp_path, TINY.replace('"N3"', '"listeners.json#L1"'))
    assert read_plan(path).fittings["fitting1"].name == "L1"
    path = write_spec(tmp_path, TINY.replace('"N3"', '"listeners.json#L2"'))
    sentence = refused(path, tmp_path / "out")
    assert "listeners.json: listener L2: audiogram_levels_l[2] = 600" in sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    path = write_spec(tmp_path)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "Permission denied" in refused(path, locked / "out")


def test_the_command_line_says_it_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hearsim", "export", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    path = write_spec(tmp_path, secnds="1")
    code, _, said = run(str(path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert said == f"hearsim: {path}: the key secnds is not known: did you mean seconds or seed or songs?\n"
    code, _, said = run("collect", str(tmp_path), "--webmushra", str(tmp_path))
    assert code == 2
    assert said.startswith(f"hearsim: {tmp_path} is not webMUSHRA: give a checkout")
    code, text, _ = run("--help")
    assert code in (None, 0)
    assert all(name in text for name in ("write", "collect", "analyse"))
