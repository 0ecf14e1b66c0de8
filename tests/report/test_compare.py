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
from hearsim.report.compare import compare, write_comparison

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
    assert ["mix.vocals", "muted", "6"] in read.rows and ["live delay", "26.00", "27.00", "+1.00"] in read.rows
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
