"""report.html in a real browser, wide and narrow."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_sample import EXCERPTS

from hearsim.core.calibration import Calibration
from hearsim.report.page import page

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
  const cut = [...page.querySelectorAll(".scroll")].filter(one => one.scrollWidth > one.clientWidth)
    .map(one => one.ariaLabel + ": " + one.scrollWidth + " in " + one.clientWidth);
  const out = document.createElement("pre"), size = {width: root.clientWidth, needs: root.scrollWidth};
  out.textContent = JSON.stringify({...size, height: page.body.offsetHeight, clipped, cut});
  document.body.append(out);
}</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium")
@pytest.mark.parametrize("long", [False, True])
def test_no_sideways_scroll_in_a_browser(report: dict[str, Any], tmp_path: Path, long: bool) -> None:
    """At 1280 and 390 px, also with words of 300 letters, gains of −200 dB and levels of 130 dB.

    No label of a figure sticks out of it, no table out of the page.
    """
    report["latency"]["parts"][2]["name"] = "Compensation"  # the longest word of the aid's own parts
    sounds = EXCERPTS
    if long:
        sounds = replace(
            EXCERPTS, full_scale=Calibration(160.0), sounds=EXCERPTS.sounds | {"aided": 0 * EXCERPTS.sounds["aided"]}
        )
        word = "x" * 300
        report["input"]["path"] = f"/{word}.wav"
        report["profile"] = report["listener"]["name"] = report["latency"]["parts"][1]["name"] = word
        report["metrics"]["unavailable"]["sii music"] = report["latency"]["verdicts"][0]["sentence"] = word
    text = html.escape(page(report, sounds))
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:15000px" onload="measure(this)" srcdoc="{text}"></iframe>'
        for width in (1280, 390)
    )
    (tmp_path / "frames.html").write_text(f'<!doctype html><meta charset="utf-8">{MEASURE}{frames}', encoding="utf-8")
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={tmp_path / 'user'}", f"file://{tmp_path}/frames.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = [json.loads(html.unescape(one)) for one in re.findall(r"<pre>(.*?)</pre>", done.stdout)]
    assert sorted(one["width"] for one in found) == [390, 1280]
    for one in found:
        assert one["needs"] <= one["width"]
        assert one["clipped"] == []
        assert long or one["cut"] == []  # every table is seen whole
        assert 2000 < one["height"] < 15000  # laid out, and without a vertical scroll bar that takes width
