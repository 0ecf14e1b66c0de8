"""report.html: every number where it belongs, nothing from outside, readable in a real browser, wide and narrow."""

import base64
import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hearsim.errors import HearsimError
from hearsim.report.figures import band_levels, fitting, ledger_bar
from hearsim.report.page import page, write_page

VOID = {"meta", "br", "hr", "img", "input", "link", "source"}
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp; $title ${body} </script><script>x()</script>"
NOTE = "All four excerpts are played 12 dB louder than the files, by the same gain."
PLAYERS = {name: b"fLaC\x00\xff" + name.encode() for name in ("input", "unaided", "aided", "heard")}
BANDS_HZ = [1000 * 2 ** (n / 3) for n in range(-12, 13)]
FITTED_HZ = [250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0]


def ear(losses: list[float]) -> dict[str, Any]:
    return {"frequencies_hz": [250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0], "thresholds_db_hl": losses}


def gains(base: float) -> dict[str, Any]:
    table = {str(level): [base + n - level / 10 for n in range(9)] for level in (50, 65, 80)}
    return {"rule": "nal-r", "frequencies_hz": FITTED_HZ, "insertion_gain_db": table}


def part(name: str, samples: int, kind: str, source: str = "declared") -> dict[str, Any]:
    return {"name": name, "samples": samples, "ms": samples / 48, "kind": kind, "source": source}


def sample() -> dict[str, Any]:
    """Return a report with all four kinds of delay, unlike ears and a muted stem; every value occurs once."""
    return {
        "schema": "hearsim.report/1",
        "profile": "asymmetric-karaoke",
        "input": {"path": "/music/song.flac", "sha256": "1a" * 32, "rate_hz": 44100, "channels": 2,
                  "frames": 882441, "seconds": 20.01, "lufs": -14.94},
        "listener": {"name": "two ears", "left": ear([10.0, 15.0, 20.0, 35.0, 55.0, 70.0]),
                     "right": ear([40.0, 45.0, 50.0, 60.0, 75.0, 85.0])},
        "mix": {"vocals": None, "drums": -2.25, "bass": 0.0, "other": 3.5},
        "model": {"name": "hs-tasnet-lite", "sha256": "2b" * 32, "backend": "torch, 1 thread",
                  "parameters": 3508992, "non_finite_blocks": 7},
        "rig": {"name": "aid", "microphone_full_scale_db_spl": 94.0, "headphones_full_scale_db_spl": 112.0},
        "latency": {
            "rate_hz": 48000,
            "parts": [part("input block of 480", 480, "buffering"), part("look-back", 528, "algorithm"),
                      part("remix", 0, "algorithm"), part("sound card", 192, "device", "device-reported"),
                      part("tube", 48, "acoustics", "measured")],
            "total_samples": 1248, "total_ms": 26.0, "file_shift_samples": 768, "file_shift_ms": 16.0,
            "measured_samples": 1248, "deadline_ms": 10.0,
            "compute_ms": {"p50": 3.66, "p99": 6.27, "max": 9.61}, "load_p99": 0.627, "scenario": "closed dome",
            "verdicts": [
                {"scenario": "streamed music", "limit_ms": None, "ok": True, "sentence": "no direct sound"},
                {"scenario": "closed dome", "limit_ms": 10.0, "ok": False, "sentence": "over the 10 ms"},
                {"scenario": "open dome", "limit_ms": 1.0, "ok": False, "sentence": "over the 1 ms"},
            ],
        },
        "fitting": {"left": gains(12.0), "right": gains(21.5)},
        "levels": {
            "bands_hz": BANDS_HZ,
            "input_db_spl": {"left": [50.0 + n for n in range(25)], "right": [51.5 + n for n in range(25)]},
            "aided_db_spl": {"left": [90.0 - n for n in range(25)], "right": [95.25 - n for n in range(25)]},
            "mpo_db_spl": {"left": 105.0, "right": 109.0}, "peak_db_spl": {"left": 102.91, "right": 104.76},
            "mpo_events": {"left": 31, "right": 11}, "non_finite_samples": 5,
        },
        "metrics": {
            "stoi_vocals": {"mixture": 0.2931, "unaided": 0.2712, "aided": 0.3059, "heard": 0.3001},
            "estoi_vocals": {"unaided": 0.2408, "aided": 0.2379, "heard": 0.2421},
            "si_sdr_db": {"vocals": -1.79, "drums": -0.81}, "sdr_db": {"vocals": 1.14, "drums": 2.65},
            "sdr_mixture_db": {"vocals": -3.26, "drums": -5.97},
            "sii": {"quiet_unaided": {"left": 0.2834, "right": 0.1122},
                    "quiet_aided": {"left": 0.6845, "right": 0.5533}},
            "lufs": {"input": -14.94, "aided": -25.56, "heard": -41.31, "unaided": -50.33},
            "peak_dbfs": {"input": -1.04, "aided": -4.23, "heard": -25.14, "unaided": -36.13},
            "later": 0.0,
            "unavailable": {"csdr_db": "no true stems were given", "sii music": "no true vocals were given"},
        },
        "outputs": [{"path": "aided.wav", "sha256": "3c" * 32, "lufs": -25.61, "peak_dbfs": -4.29},
                    {"path": "heard.wav", "sha256": "4d" * 32, "lufs": None, "peak_dbfs": -25.19}],
    }  # fmt: skip


@pytest.fixture
def report() -> dict[str, Any]:
    return sample()


@pytest.fixture(scope="module")
def whole() -> str:
    """The page of the report as it is."""
    return page(sample(), PLAYERS, NOTE)


class Reader(HTMLParser):
    """Reads a page: elements with attributes, rows of table cells, all text outside <style>, tags balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def attributes(self, *names: str) -> list[str]:
        return [attrs[name] for _, attrs in self.elements for name in names if name in attrs]


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
        ["live delay: sum of the rows", "", "declared", "1248", "26.00"],
        ["live delay: impulse and chirp", "", "measured", "1248", "26.00"],
        ["file shift: live delay less the input block", "", "declared", "768", "16.00"],
    ]
    assert ["in time at p99", "10.00", "3.66", "6.27", "9.61", "63\u00a0%"] in rows
    assert ["streamed music", "none", "suits", "no direct sound"] in rows
    assert ["closed dome (this aid)", "10\u00a0ms", "too late", "over the 10 ms"] in rows
    assert ["open dome", "1\u00a0ms", "too late", "over the 1 ms"] in rows


def test_faults_are_told(report: dict[str, Any], whole: str) -> None:
    assert "the same, to the sample" in Reader(whole).text
    report["latency"]["measured_samples"] = 1246
    report["latency"]["compute_ms"]["p99"] = 10.01
    text = Reader(page(report, {}, "")).text
    assert "differs from the declared one by −2 samples: a fault" in text
    assert "to the sample" not in text
    assert "too slow at p99" in text


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


def test_missing_metrics_say_why(report: dict[str, Any], whole: str) -> None:
    reader = Reader(whole)
    assert ["SDR of the whole clip (cSDR)", "dB", "not computed: no true stems were given"] in reader.rows
    assert "sii music: no true vocals were given" in reader.text
    names = [name for name in report["metrics"] if name != "unavailable"]
    report["metrics"] = {"unavailable": {name: f"reason {name}" for name in (*names, "csdr_db")}}
    text = Reader(page(report, PLAYERS, NOTE)).text
    for name in (*names, "csdr_db"):
        assert text.count(f"reason {name}") == 1


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
        "20.0 s of sound for the listener two ears: 26.0 ms from microphone to ear, in time for streamed music; "
        "the limiter stepped in 42 times.",
        "became silence: 5.",
        "Fitting rule: nal-r.",
        "44100 Hz, 2 channels, 882441 frames, 20.01 s, −14.9 LUFS",
        "3508992 parameters, torch, 1 thread, 7 blocks",
        "−25.6 LUFS, peak −4.3 dBFS",
        "– LUFS, peak −25.2 dBFS",
        "94 dB SPL at the microphone and 112 dB SPL at the headphones",
        *(f"sha256 {pair * 32}" for pair in ("1a", "2b", "3c", "4d")),
        NOTE,
    ):
        assert words in reader.text


def test_players(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "heard.flac").write_bytes(PLAYERS["heard"])
    reader = Reader(page(report, {**PLAYERS, "heard": tmp_path / "heard.flac"}, NOTE))
    head = "data:audio/flac;base64,"
    sources = reader.attributes("src")
    assert [base64.b64decode(source.removeprefix(head)) for source in sources] == list(PLAYERS.values())
    without = Reader(page(report, {**PLAYERS, "heard": None}, NOTE))
    assert len(without.attributes("src")) == 3
    assert "What this listener hears with the aidnot made" in without.text


def test_hostile_strings_stay_text(report: dict[str, Any], whole: str) -> None:
    shown: list[str] = []
    del report["rig"]["name"]  # the only string that is not printed
    bad = hostile(report, shown)
    bad["mix"]["stem" + HOSTILE] = bad["metrics"]["sdr_db"]["column" + HOSTILE] = 1.0
    bad["metrics"]["unavailable"]["metric" + HOSTILE] = "reason"
    shown += [word + HOSTILE for word in ("stem", "column", "player", "note")]
    reader = Reader(page(bad, {"player" + HOSTILE: b"x"}, "note" + HOSTILE))
    assert {tag for tag, _ in reader.elements} <= {tag for tag, _ in Reader(whole).elements} | {"li"}
    assert not [name for _, attrs in reader.elements for name in attrs if name.startswith("on")]
    assert len(shown) > 30
    assert [text for text in shown if text not in reader.text] == []


def test_nothing_from_outside(whole: str) -> None:
    reader = Reader(whole)
    links = reader.attributes("src", "href", "xlink:href", "srcset", "poster", "data", "action", "background")
    assert all(link.startswith(("data:audio/flac;base64,", "#")) for link in links)
    assert not re.search(r"https?:|@import|<link|<script|url\((?!#)", whole)


def test_ids_are_unique_and_found(whole: str) -> None:
    reader = Reader(whole)
    ids = reader.attributes("id")
    used = [link[1:] for link in reader.attributes("href")] + re.findall(r"url\(#([^)]*)\)", whole)
    assert len(ids) == len(set(ids))
    assert used
    assert set(used) <= set(ids)


def test_accessible(whole: str) -> None:
    reader = Reader(whole)
    assert ("html", {"lang": "en"}) in reader.elements
    assert all(attrs.get("aria-label") for tag, attrs in reader.elements if tag in ("svg", "audio"))
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in reader.elements if tag == "th")
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("svg") == 5
    assert tags.count("table") == tags.count("caption") == 13
    assert "Live delay 26.00 ms: buffering 10.00 ms, algorithm 11.00 ms, device 4.00 ms, acoustics 1.00 ms" in whole


def test_same_report_same_bytes(report: dict[str, Any], whole: str, tmp_path: Path) -> None:
    """Another process, with another order of hashes and a matplotlibrc of its own, writes the same page."""
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: path\nfont.size: 30\n")
    code = (
        "import json, pathlib; from hearsim.report.page import write_page\n"
        "report = json.loads(pathlib.Path('report.json').read_text())\n"
        f"write_page(report, {PLAYERS!r}, {NOTE!r}, pathlib.Path('other.html'))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True)
    assert (tmp_path / "other.html").read_text(encoding="utf-8") == whole


def test_name_that_is_no_utf8(report: dict[str, Any], tmp_path: Path) -> None:
    report["input"]["path"] = os.fsdecode(b"/music/caf\xe9.wav")
    write_page(report, {}, "", tmp_path / "report.html")
    assert r"caf\udce9.wav, rendered" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_another_schema_is_refused(report: dict[str, Any]) -> None:
    report["schema"] = "hearsim.report/2"
    with pytest.raises(HearsimError, match=r"'hearsim\.report/2', not 'hearsim\.report/1': render the song again"):
        page(report, {}, "")


def test_bar_is_to_scale(report: dict[str, Any]) -> None:
    bars = [attrs for tag, attrs in Reader(ledger_bar(report["latency"])).elements if tag == "rect"]
    widths = [float(bar["width"].rstrip("%")) for bar in bars]
    starts = [float(bar["x"].rstrip("%")) for bar in bars]
    assert widths == pytest.approx([100 * ms / 26 for ms in (10, 11, 4, 1)], abs=0.001)
    assert starts == pytest.approx([0, 100 * 10 / 26, 100 * 21 / 26, 100 * 25 / 26], abs=0.001)
    assert len({bar["fill"] for bar in bars}) == 4
    lines = [attrs for tag, attrs in Reader(ledger_bar(report["latency"])).elements if tag == "line"]
    spans = [line["x1"] for line in lines if line.get("class") == "span"]
    assert [float(x.rstrip("%")) for x in spans] == pytest.approx([0, 100 * 10 / 26], abs=0.001)


@pytest.mark.parametrize("total_ms", [0.3, 1.0, 5.9, 8.0, 10.0, 26.0, 99.9, 740.0])
def test_bar_has_a_few_round_ticks(report: dict[str, Any], total_ms: float) -> None:
    report["latency"]["parts"] = [{**part("one", 1, "buffering"), "ms": total_ms}]
    svg = ledger_bar(report["latency"])
    ticks = re.findall(r'y="56"[^>]*>([\d.]+)', svg)
    assert 3 <= len(ticks) <= 8
    step = float(ticks[1])
    assert [float(tick) for tick in ticks] == pytest.approx([n * step for n in range(len(ticks))])
    assert total_ms - step < float(ticks[-1]) <= total_ms
    assert f"{step:e}"[0] in "125"
    assert not re.search(r'x="(9[789]|100)[^"]*" y="56" text-anchor="middle"', svg)  # half of it would stick out


class Plot:
    """Reads a drawn curve back as a person does: by the tick labels of both axes."""

    def __init__(self, svg: str) -> None:
        self.svg = svg
        label = r'<text style="[^"]*text-anchor: (\w+)" x="([\d.]+)" y="([\d.]+)"[^>]*>([\d.]+k?)</text>'
        found = re.findall(label, svg)
        self.x = {label: float(x) for anchor, x, _, label in found if anchor == "middle"}
        self.y = {label: float(y) for anchor, _, y, label in found if anchor == "end"}

    def curve(self, stroke: str) -> list[tuple[float, float]]:
        """Return (Hz, y-axis units but for one constant: the labels' own height) of the first line of a colour."""
        path = next(d for d, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', self.svg) if stroke in style)
        two_octaves = self.x["4k"] - self.x["1k"]
        unit = (self.y["100"] - self.y["20"]) / 80
        points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
        return [(1000 * 4 ** ((x - self.x["1k"]) / two_octaves), (y - self.y["20"]) / unit + 20) for x, y in points]


@pytest.mark.parametrize(("side", "colour"), [("left", "#1f5fbf"), ("right", "#c23b3b")])
def test_audiogram_reads_true(report: dict[str, Any], side: str, colour: str) -> None:
    plot = Plot(fitting(report, side))
    zero = plot.curve("stroke: #999999")[0][1]
    loss = report["listener"][side]
    read = plot.curve(f"stroke: {colour}")
    assert [f for f, _ in read] == pytest.approx(loss["frequencies_hz"], rel=1e-3)
    assert [db - zero for _, db in read] == pytest.approx(loss["thresholds_db_hl"], abs=0.05)
    assert plot.y["100"] > plot.y["0"]  # louder is lower on the page
    assert plot.x["2k"] - plot.x["1k"] == pytest.approx(plot.y["20"] - plot.y["0"], abs=0.01)  # ISO 8253-1
    dotted, gain_at_50 = plot.curve("stroke-dasharray: 1.6"), report["fitting"][side]["insertion_gain_db"]["50"]
    assert [db - zero for _, db in dotted] == pytest.approx(gain_at_50, abs=0.05)


def test_audiogram_holds_the_deepest_loss(report: dict[str, Any]) -> None:
    report["listener"]["left"] = {"frequencies_hz": [100.0, 20000.0], "thresholds_db_hl": [130.0, -10.0]}
    svg = fitting(report, "left")
    frame = re.search(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
    assert frame
    left, top, width, height = map(float, frame.groups())
    plot = re.findall(r'<path d="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n"[^>]*style="[^"]*stroke: #1f5fbf', svg)[0]
    x1, y1, x2, y2 = map(float, plot)
    assert left <= x1 < x2 <= left + width + 0.01
    assert top - 0.01 <= y2 < y1 <= top + height + 0.01


def test_band_levels_read_true(report: dict[str, Any]) -> None:
    plot = Plot(band_levels(report, "right"))
    limit = plot.curve("stroke: #111111")[0][1]
    levels = report["levels"]
    for colour, name in (("#777777", "input_db_spl"), ("#c23b3b", "aided_db_spl")):
        read = [db - limit + 109 for _, db in plot.curve(f"stroke: {colour}")]
        assert sorted({round(db, 1) for db in read}) == pytest.approx(sorted(levels[name]["right"]), abs=0.11)
        assert math.copysign(1, read[-1] - read[0]) == (1 if name == "input_db_spl" else -1)


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=8000 --dump-dom"
)
MEASURE = """<script>
function measure(frame) {
  const page = frame.contentDocument, root = page.documentElement;
  page.querySelectorAll("details").forEach(one => one.open = true);
  const clipped = [...page.querySelectorAll("svg text")].filter(one => {
    const text = one.getBoundingClientRect(), box = one.ownerSVGElement.getBoundingClientRect();
    return text.left < box.left - 1 || text.right > box.right + 1
        || text.top < box.top - 1 || text.bottom > box.bottom + 1;
  }).map(one => one.textContent);
  const out = document.createElement("pre"), size = {width: root.clientWidth, needs: root.scrollWidth};
  out.textContent = JSON.stringify({...size, height: page.body.offsetHeight, clipped});
  document.body.append(out);
}</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium")
@pytest.mark.parametrize("long", [False, True])
def test_no_sideways_scroll_in_a_browser(report: dict[str, Any], tmp_path: Path, long: bool) -> None:
    """At 1280 and 400 px, also with words of 300 letters; no label of a figure sticks out of it."""
    if long:
        word = "x" * 300
        report["input"]["path"] = f"/{word}.wav"
        report["profile"] = report["listener"]["name"] = report["latency"]["parts"][1]["name"] = word
        report["metrics"]["unavailable"]["sii music"] = report["latency"]["verdicts"][0]["sentence"] = word
    text = html.escape(page(report, PLAYERS, NOTE))
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:15000px" onload="measure(this)" srcdoc="{text}"></iframe>'
        for width in (1280, 400)
    )
    (tmp_path / "frames.html").write_text(f'<!doctype html><meta charset="utf-8">{MEASURE}{frames}', encoding="utf-8")
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={tmp_path / 'user'}", f"file://{tmp_path}/frames.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = [json.loads(html.unescape(one)) for one in re.findall(r"<pre>(.*?)</pre>", done.stdout)]
    assert sorted(one["width"] for one in found) == [400, 1280]
    for one in found:
        assert one["needs"] <= one["width"]
        assert one["clipped"] == []
        assert 2000 < one["height"] < 15000  # laid out, and without a vertical scroll bar that takes width
