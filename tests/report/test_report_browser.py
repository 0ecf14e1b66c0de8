"""report.html in a real browser, wide and narrow."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from report_sample import EXCERPTS, sample

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
  out.textContent = JSON.stringify({...size, title: frame.title, height: page.body.offsetHeight, clipped, cut});
  document.body.append(out);
}</script>"""


def bent_page(long: bool) -> str:
    """The page of a report, or of one with words of 300 letters, gains of −200 dB and levels of 130 dB."""
    report, sounds = sample(), EXCERPTS
    report["latency"]["parts"][2]["name"] = "Compensation"  # the longest word of the aid's own parts
    if long:
        sounds = replace(
            EXCERPTS, full_scale=Calibration(160.0), sounds=EXCERPTS.sounds | {"aided": 0 * EXCERPTS.sounds["aided"]}
        )
        word = "x" * 300
        report["input"]["path"] = f"/{word}.wav"
        report["profile"] = report["listener"]["name"] = report["latency"]["parts"][1]["name"] = word
        report["metrics"]["unavailable"]["sii music"] = report["latency"]["verdicts"][0]["sentence"] = word
    return page(report, sounds)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the browser measured: of the page and of that of long words, each at 1280 and 390 px."""
    folder = tmp_path_factory.mktemp("browser")
    frames = "".join(
        f'<iframe title="{long}" style="border:0;width:{width}px;height:15000px" onload="measure(this)" '
        f'srcdoc="{text}"></iframe>'
        for long in (False, True)
        for text in [html.escape(bent_page(long))]
        for width in (1280, 390)
    )
    (folder / "frames.html").write_text(f'<!doctype html><meta charset="utf-8">{MEASURE}{frames}', encoding="utf-8")
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={folder / 'user'}", f"file://{folder}/frames.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(html.unescape(one)) for one in re.findall(r"<pre>(.*?)</pre>", done.stdout)]


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium")
@pytest.mark.parametrize("long", [False, True])
def test_no_sideways_scroll_in_a_browser(measured: list[dict[str, Any]], long: bool) -> None:
    """No label of a figure sticks out of it, no table out of the page."""
    found = [one for one in measured if one["title"] == str(long)]
    assert sorted(one["width"] for one in found) == [390, 1280]
    for one in found:
        assert one["needs"] <= one["width"]
        assert one["clipped"] == []
        assert long or one["cut"] == []  # every table is seen whole
        assert 2000 < one["height"] < 15000  # laid out, and without a vertical scroll bar that takes width
