"""The report's figures, read back from their SVG as a person reads them."""

import math
import re
from typing import Any

import numpy as np
import pytest
from report_sample import Reader, part

from hearsim.report.figures import band_levels, fitting, ledger_bar, measured_gain
from hearsim.report.spectra import GAIN_BANDS_HZ


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


def test_measured_gain_reads_true_beside_its_target(report: dict[str, Any]) -> None:
    gain = np.array([np.linspace(-10, 30, len(GAIN_BANDS_HZ)), np.full(len(GAIN_BANDS_HZ), np.nan)])
    picture = measured_gain(report, gain, "left")
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', picture)
    curve = next(d for d, style in paths if "stroke: #1f5fbf" in style)
    target = next(d for d, style in paths if "stroke-dasharray: 1.2" in style)
    points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", curve)]
    aims = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", target)]
    assert len(points) == len(GAIN_BANDS_HZ)
    per_octave = (points[-1][0] - points[0][0]) / math.log2(16000 / 50)
    per_db = (points[-1][1] - points[0][1]) / 40
    fit = report["fitting"]["left"]
    hz = [50 * 2 ** ((x - points[0][0]) / per_octave) for x, _ in aims]
    assert hz == pytest.approx(fit["frequencies_hz"], rel=0.01)
    assert [(y - points[0][1]) / per_db - 10 for _, y in aims] == pytest.approx(fit["insertion_gain_db"]["50"], abs=0.1)
