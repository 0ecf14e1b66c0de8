"""report.html: every number where it belongs, nothing from outside, and hostile text stays text."""

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_sample import EXCERPTS, SOUNDS, Reader

import hearsim
from hearsim.core.errors import HearsimError
from hearsim.report.page import page, write_page

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp; $title ${body} </script><script>x()</script>"


def hostile(value: Any, done: list[str], key: str = "") -> Any:
    """Put markup into every string but those of fixed words; lists in `done` what the page must then show."""
    if isinstance(value, dict):
        return {name: hostile(inner, done, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner, done, key) for inner in value]
    if not isinstance(value, str) or key in ("kind", "schema"):
        return value
    done.append(value + HOSTILE)
    return done[-1]


def test_ledger_rows(whole: str) -> None:
    rows = Reader(whole).rows
    start = rows.index(["part", "kind", "source", "samples", "ms"])
    assert rows[start + 1 : start + 9] == [
        ["input block of 480", "buffering", "declared", "480", "10.00"],
        ["look-back", "algorithm", "declared", "528", "11.00"],
        ["remix", "algorithm", "declared", "0", "0.00"],
        ["sound card", "device", "device-reported", "192", "4.00"],
        ["tube", "acoustics", "measured", "48", "1.00"],
        ["live delay", "", "declared", "1248", "26.00"],
        ["live delay", "", "measured", "1248", "26.00"],
        ["processing delay (offline)", "file shift", "declared", "768", "16.00"],
    ]
    assert ["in time at p99", "10.00", "3.66", "6.27", "9.61", "63\u00a0%"] in rows
    assert ["streamed music", "none", "no direct sound"] in rows
    assert ["closed dome (this aid)", "10\u00a0ms", "over the 10 ms"] in rows
    assert ["open dome", "1\u00a0ms", "over the 1 ms"] in rows
    assert re.findall("<strong>(.*?)</strong>", whole) == ["closed dome (this aid)"]


@pytest.mark.usefixtures("without_pictures")
def test_faults_are_told(report: dict[str, Any], whole: str) -> None:
    assert "the same, to the sample" in Reader(whole).text
    report["latency"]["measured_samples"] = 1246
    report["latency"]["compute_ms"]["p99"] = 10.01
    text = Reader(page(report, EXCERPTS)).text
    assert "differs from the declared one by −2 samples: a fault" in text
    assert "to the sample" not in text
    assert "too slow at p99" in text
    where = "Timed during the render on Example CPU 3000, 6 cores, 2026-01-02T03:04:05+00:00, by hearsim\n0.9.1: "
    assert f"{where}hearsim render 'my song.flac'. The load is that of the machine as busy as it was" in text


@pytest.mark.usefixtures("without_pictures")
def test_own_stages_are_said_to_come_after_the_fitted_gains(report: dict[str, Any], whole: str) -> None:
    assert "own stages" not in Reader(whole).text
    report["aid"]["stages"] = ["tremolo", "soft"]
    assert "The aid's own stages (tremolo, soft) come after it" in Reader(page(report, EXCERPTS)).text


def test_metrics_with_units(whole: str) -> None:
    rows = Reader(whole).rows
    for expected in (
        ["metric", "unit", "mixture", "unaided", "aided", "heard", "input"],
        ["STOI of the vocals", "0–1", "0.293", "0.271", "0.306", "0.300", "–"],
        ["ESTOI of the vocals", "0–1", "–", "0.241", "0.238", "0.242", "–"],
        ["Loudness of the file, BS.1770-4", "LUFS", "–", "−50.3", "−25.6", "−41.3", "−14.9"],
        ["Sample peak of the file", "dBFS", "–", "−36.1", "−4.2", "−25.1", "−1.0"],
        ["metric", "unit", "vocals", "drums"],
        ["SDR, median of 1 s frames", "dB", "1.1", "2.6"],
        ["The same for the mixture, unseparated", "dB", "−3.3", "−6.0"],
        ["SI-SDR", "dB", "−1.8", "−0.8"],
        ["SII, quiet unaided", "0–1", "0.283", "0.112"],
        ["SII, quiet aided", "0–1", "0.684", "0.553"],
        ["later", "", "0.000"],
    ):
        assert expected in rows


@pytest.mark.usefixtures("without_pictures")
def test_missing_metrics_say_why(report: dict[str, Any], whole: str) -> None:
    reader = Reader(whole)
    assert ["SDR of the whole clip (cSDR)", "dB", "not computed: no true stems were given"] in reader.rows
    assert "sii music: no true vocals were given" in reader.text
    names = [name for name in report["metrics"] if name != "unavailable"]
    report["metrics"] = {"unavailable": {name: f"reason {name}" for name in (*names, "csdr_db")}}
    text = Reader(page(report, EXCERPTS)).text
    for name in (*names, "csdr_db"):
        assert text.count(f"reason {name}") == 1


@pytest.mark.usefixtures("without_pictures")
def test_a_table_of_reasons_alone_is_set_to_the_left(report: dict[str, Any]) -> None:
    for name in ("si_sdr_db", "sdr_db", "sdr_mixture_db", "csdr_db"):
        report["metrics"].pop(name, None)
        report["metrics"]["unavailable"][name] = "there are no true stems"
    text = page(report, EXCERPTS)
    assert "<td>not computed: there are no true stems</td>" in text


def test_levels_mix_fitting_and_files(whole: str) -> None:
    reader = Reader(whole)
    for expected in (
        ["left", "102.9", "105.0", "31"],
        ["right", "104.8", "109.0", "11"],
        ["63", "50.0", "90.0"],
        ["16000", "75.5", "71.2"],
        ["250", "40.0", "16.5", "15.0", "13.5"],
        ["750", "–", "18.5", "17.0", "15.5"],
        ["8000", "70.0", "–", "–", "–"],
        ["vocals", "muted"],
        ["drums", "−2.2"],
        ["bass", "0.0"],
        ["other", "+3.5"],
    ):
        assert expected in reader.rows
    for words in (
        "song.flac, rendered with the profile asymmetric-karaoke",
        "20.0 s of sound for the listener two ears: 26.0 ms from microphone to ear, in time for streamed music, "
        "too late for closed dome (this aid) and open dome; the limiter stepped in 42 times.",
        "replaced by silence: 5.",
        "Fitting rule: nal-r.",
        "44100 Hz, 2 channels, 882441 frames, 20.01 s, −14.9 LUFS",
        "3508992 parameters, torch, 1 thread, 7 blocks",
        "−25.6 LUFS, sample peak −4.3 dBFS, true peak −3.8 dBTP",
        "– LUFS, sample peak −25.2 dBFS, true peak – dBTP",
        "94 dB SPL at the microphone and 112 dB SPL at the headphones",
        *(f"sha256 {pair * 32}" for pair in ("1a", "2b", "3c", "4d")),
        EXCERPTS.note,
    ):
        assert words in reader.text


def test_the_player_holds_every_sound(whole: str) -> None:
    held = json.loads(re.findall(r'<script type="application/json" id="sounds">(.*?)</script>', whole)[0])
    assert {base64.b64decode(one["flac"]) for one in held["sounds"]} == {EXCERPTS.flac(name) for name in SOUNDS}
    assert [one["match_db"] for one in held["sounds"]] == list(EXCERPTS.match_db().values())
    assert held["sounds"][1]["match_db"] is None and (held["rate"], held["seconds"]) == (48000, 1.0)
    text = Reader(whole).text
    assert "3Output of the aid" in text and "Heard by this listener without the aid (silent)" in text


def test_hostile_strings_stay_text(report: dict[str, Any], whole: str) -> None:
    shown: list[str] = []
    del report["rig"]["name"]  # the only string that is not printed
    bad = hostile(report, shown)
    bad["mix"]["stem" + HOSTILE] = bad["metrics"]["sdr_db"]["column" + HOSTILE] = 1.0
    bad["metrics"]["unavailable"]["metric" + HOSTILE] = "reason"
    shown += [word + HOSTILE for word in ("stem", "column", "sound")]
    sounds = EXCERPTS.sounds | {"sound" + HOSTILE: EXCERPTS.sounds["input"]}
    reader = Reader(page(bad, replace(EXCERPTS, sounds=sounds)))
    assert {tag for tag, _ in reader.elements} <= {tag for tag, _ in Reader(whole).elements} | {"li"}
    assert not [name for _, attrs in reader.elements for name in attrs if name.startswith("on")]
    assert len(shown) > 30
    assert [text for text in shown if text not in reader.text] == []


def test_nothing_from_outside(whole: str) -> None:
    reader = Reader(whole)
    links = reader.attributes("src", "href", "xlink:href", "srcset", "poster", "data", "action", "background")
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert not re.search(r"https?:|@import|<link|<script[^>]*src|fetch\(|url\((?!#)", whole)


def test_ids_are_unique_and_found(whole: str) -> None:
    reader = Reader(whole)
    ids = reader.attributes("id")
    used = [link[1:] for link in reader.attributes("href") if link.startswith("#")] + re.findall(
        r"url\(#([^)]*)\)", whole
    )
    assert len(ids) == len(set(ids))
    assert used
    assert set(used) <= set(ids)


def test_accessible(whole: str) -> None:
    reader = Reader(whole)
    assert ("html", {"lang": "en"}) in reader.elements
    assert all(attrs.get("aria-label") for tag, attrs in reader.elements if tag == "svg")
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in reader.elements if tag == "th")
    assert all(cell for row in reader.rows for cell in (row[0], row[-1]))  # no heading without a word
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("svg") == 10
    assert tags.count("table") == tags.count("caption") == 14
    assert "Live delay 26.00 ms: buffering 10.00 ms, algorithm 11.00 ms, device 4.00 ms, acoustics 1.00 ms" in whole


def test_same_report_same_bytes(report: dict[str, Any], whole: str, tmp_path: Path) -> None:
    """Another process, with another order of hashes and a matplotlibrc of its own, writes the same page."""
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: path\nfont.size: 30\n")
    code = (
        "import json, pathlib; from hearsim.report.page import write_page; "
        "from report_sample import EXCERPTS\n"
        "report = json.loads(pathlib.Path('report.json').read_text())\n"
        "write_page(report, EXCERPTS, pathlib.Path('other.html'))"
    )
    root, tests = Path(hearsim.__file__).parents[1], Path(__file__).parent
    here = {"PYTHONHASHSEED": "7", "PYTHONPATH": f"{root}:{tests}"}  # not another copy's page
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, **here}, check=True)
    assert (tmp_path / "other.html").read_text(encoding="utf-8") == whole


@pytest.mark.usefixtures("without_pictures")
def test_name_that_is_no_utf8(report: dict[str, Any], tmp_path: Path) -> None:
    report["input"]["path"] = os.fsdecode(b"/music/caf\xe9.wav")
    write_page(report, EXCERPTS, tmp_path / "report.html")
    assert r"caf\udce9.wav, rendered" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_another_schema_is_refused(report: dict[str, Any]) -> None:
    report["schema"] = "hearsim.report/2"
    with pytest.raises(HearsimError, match=r"'hearsim\.report/2', not 'hearsim\.report/1': render the song again"):
        page(report, EXCERPTS)
