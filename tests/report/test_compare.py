"""`hearsim compare`: what differs between two renders, as tables, JSON and a page with both sounds."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from report_sample import Reader, part, sample
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.core.errors import HearsimError
from hearsim.profile.schema import Aid, Compression, Ears, Listener, Profile, Vent
from hearsim.report.compare import compare, write_comparison
from hearsim.report.run import render_song

RATE = 44100


def run(folder: Path, amplitude: float, report: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report))
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    for name, factor in (("unaided", 0.1), ("aided", 1.0), ("heard", 0.5)):
        soundfile.write(folder / f"{name}.wav", np.stack([factor * amplitude * tone] * 2, axis=1), RATE, "FLOAT")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs: the second with vocals at +6 dB, a part more in its ledger, a better STOI, and a rig 6 dB louder."""
    other = sample()
    other["mix"]["vocals"] = 6.0
    other["rig"]["headphones_full_scale_db_spl"] = 118.0
    other["latency"]["parts"].append(part("second tube", 48, "acoustics"))
    other["latency"]["total_ms"] = 27.0
    other["metrics"]["stoi_vocals"]["aided"] = 0.4059
    other["input"]["lufs"] = -15.0  # measured, not set
    return run(tmp_path / "one", 0.4, sample()), run(tmp_path / "two", 0.2, other)


def test_what_differs_and_by_how_much(runs: tuple[Path, Path]) -> None:
    found = compare(*runs)
    assert {row["key"]: row["values"] for row in found["settings"]} == {
        "mix.vocals": ["muted", 6.0],
        "rig.headphones_full_scale_db_spl": [112.0, 118.0],
    }
    rows = {row["key"]: row for row in found["metrics"] + found["latency"]}
    assert rows["stoi_vocals.aided"]["difference"] == pytest.approx(0.1)
    assert rows["sii.quiet_aided.left"]["difference"] == 0.0
    assert rows["live delay"]["difference"] == pytest.approx(1.0)
    assert (rows["second tube"]["values"], rows["second tube"]["difference"]) == ([None, 1.0], None)
    assert found["same_song"] is True


def test_the_page_plays_both_on_one_scale(runs: tuple[Path, Path], tmp_path: Path) -> None:
    write_comparison(compare(*runs), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    read = Reader(text)
    assert ["mix.vocals", "muted", "6"] in read.rows and ["live delay", "26.00", "27.00", "≠ +1.00"] in read.rows
    changed = [row[0] for row in read.rows if "≠" in row[-1]]
    assert changed == ["live delay", "second tube", "stoi_vocals.aided"]
    assert read.text.count("≠: differs in the figures shown") == 2
    heads = [row for row in read.rows if row[-1] == "B less A"]
    assert [row[0] for row in heads] == ["part", "metric"]
    assert f"{runs[0]} and {runs[1]}, compared" in read.text
    sounds = json.loads(re.findall(r'id="sounds">(.*?)</script>', text)[0])["sounds"]
    assert [one["label"][:2] for one in sounds] == ["A:", "B:"] * 3
    match = [one["match_db"] for one in sounds]
    assert match[2] == pytest.approx(match[3], abs=0.05)  # half the amplitude, 6 dB more sound pressure for it
    assert match[0] == pytest.approx(match[2] + 20, abs=0.05)


def test_another_song_has_no_player(runs: tuple[Path, Path], tmp_path: Path) -> None:
    report = json.loads((runs[1] / "report.json").read_text())
    report["input"]["sha256"] = "ff" * 32
    (runs[1] / "report.json").write_text(json.dumps(report))
    write_comparison(compare(*runs), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "no common position to listen at" in text and 'id="sounds"' not in text


def test_the_command(runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["compare", "one", "two", "--json"])
    assert json.loads(done.stdout)["runs"] == ["one", "two"] and not (tmp_path / "comparison.html").exists()
    done = CliRunner().invoke(app, ["compare", "one", "two"])
    assert "mix.vocals" in done.stdout and "page: comparison.html" in done.stdout
    with pytest.raises(HearsimError, match=r"comparison\.html is already there: choose another --out, or give --force"):
        CliRunner().invoke(app, ["compare", "one", "two"], catch_exceptions=False)


def test_a_folder_without_a_run_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(HearsimError, match=r"holds no report\.json: give the output folder of `hearsim render`"):
        compare(runs[0], tmp_path)
    (runs[1] / "report.json").write_text('{"schema": "x"}')
    with pytest.raises(HearsimError, match=r"its schema is 'x', not 'hearsim\.report/1': render the song again"):
        compare(*runs)
    (runs[1] / "report.json").write_text('{"schema": "hearsim.report/1", "mix": []}')
    with pytest.raises(HearsimError, match=r"report\.json is damaged .*: render the song again"):
        compare(*runs)
    (runs[1] / "report.json").write_text("{")
    with pytest.raises(HearsimError, match=r"report\.json"):
        compare(*runs)


def test_every_setting_of_the_profile_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles of one name, unlike in each kind of setting that a profile's file has."""
    monkeypatch.setattr("hearsim.report.run.write_page", lambda report, sounds, path: Path(path).touch())
    song = tmp_path / "song.wav"
    soundfile.write(song, 0.1 * np.random.default_rng(0).standard_normal((RATE, 2)), RATE)
    aid = Aid(
        scenario="open dome",
        rule="nal-r",
        mpo_db_spl=100,
        compression=Compression(ratio=2, knee_db_spl=45, attack_ms=5, release_ms=50),
        vent=Vent(cutoff_hz=4000),
        block_samples=512,
    )
    compression = Compression(ratio=2, knee_db_spl=50, attack_ms=6, release_ms=60)
    other = aid.model_copy(update={"mpo_db_spl": 80.0, "compression": compression, "vent": Vent(cutoff_hz=200)})
    ears = {500: 30, 2000: 50}
    listeners = [
        Listener.from_thresholds(ears, ucl_db_spl=Ears(left=ucl, right=110), name="Anna") for ucl in (110, 105)
    ]
    profiles = [Profile(listener, aid=device) for listener, device in zip(listeners, (aid, other), strict=True)]
    for name, profile in zip("ab", profiles, strict=True):
        render_song(song, profile.model_copy(update={"model": "hs-tasnet-lite"}), tmp_path / name)
    compared = compare(tmp_path / "a", tmp_path / "b")
    settings = {row["key"]: row["values"] for row in compared["settings"] if not row["key"].startswith("fitting.")}
    assert settings == {
        "listener.ucl_db_spl.left": [110.0, 105.0],
        "aid.mpo_db_spl": [100.0, 80.0],
        "aid.compression.knee_db_spl": [45.0, 50.0],
        "aid.compression.attack_ms": [5.0, 6.0],
        "aid.compression.release_ms": [50.0, 60.0],
        "aid.vent.cutoff_hz": [4000.0, 200.0],
    }
    assert compared["not_recorded"] == []


def test_a_report_of_an_earlier_version_has_no_aid_to_compare(tmp_path: Path) -> None:
    newer = sample() | {"aid": {"mpo_db_spl": 100.0}}
    newer["listener"]["ucl_db_spl"] = {"left": 110.0, "right": 110.0}
    older = sample()
    del older["aid"]
    folders = run(tmp_path / "one", 0.4, older), run(tmp_path / "two", 0.4, newer)
    compared = compare(*folders)
    assert (compared["settings"], compared["not_recorded"]) == ([], ["aid", "listener.ucl_db_spl"])
    write_comparison(compared, tmp_path / "page.html")
    page = Reader((tmp_path / "page.html").read_text()).text
    assert "No setting differs (unknown, in a report of an earlier version: aid, listener.ucl_db_spl)" in page
