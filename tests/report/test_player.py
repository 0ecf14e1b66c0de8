"""The report's player in Chromium, from a file on the disk: what comes out of it, sample by sample."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import chromium, needs_browser
from report_sample import SOUNDS, sample

from hearsim.core.calibration import Calibration
from hearsim.report.page import write_page
from hearsim.simulation.clips import Excerpts

pytestmark = needs_browser
RATE, SECONDS, TONE_HZ = 44100, 7.5, 441.0
AMPLITUDES = (0.5, 0.25, 0.125, 0.0625)
TAP = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode) {
    if (!window.tap) { window.tap = new AnalyserNode(this.context, {fftSize: 32768}); connect.call(window.tap, to); }
    return connect.call(this, window.tap, ...rest);
  }
  return connect.call(this, to, ...rest);
};
window.samples = () => {
  const all = new Float32Array(32768);
  window.tap.getFloatTimeDomainData(all);
  return [...all];
};
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page of four sounds that are one tone at four amplitudes."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    tone = np.sin(2 * np.pi * TONE_HZ * np.arange(int(SECONDS * RATE)) / RATE)
    sounds = {
        name: np.tile(amplitude * tone, (2, 1)).astype(np.float32)
        for name, amplitude in zip(SOUNDS, AMPLITUDES, strict=True)
    }
    write_page(sample(), Excerpts(sounds, RATE, 0.0, 0.0, Calibration(100.0)), path)
    complaints: list[str] = []
    with chromium() as browser:
        shown = browser.new_page()
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.add_init_script(TAP)
        shown.goto(path.as_uri())
        yield shown
    assert complaints == []


@pytest.fixture(autouse=True)
def at_rest(page: Any) -> None:
    """Stopped at 0 with the first sound, no loop, levels as they are, nothing in focus."""
    if page.get_attribute("#play", "aria-pressed") == "true":
        page.click("#play")
    page.click("#whole")
    page.uncheck("#match")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("1")
    for _ in range(9):
        page.keyboard.press("ArrowLeft")


def seconds(page: Any) -> float:
    return float(page.text_content("#time").removesuffix(" s"))


def chosen(page: Any) -> int:
    return [one.get_attribute("aria-checked") for one in page.query_selector_all("#player [role=radio]")].index("true")


def until_played(page: Any, amount: float) -> None:
    page.wait_for_function(f"() => parseFloat(document.getElementById('time').textContent) >= {amount}")


def amplitude_and_phase(samples: np.ndarray, start: int) -> tuple[float, float]:
    """Of the tone in 4410 samples from `start` on; the phase is that at sample 0."""
    n = np.arange(start, start + 4410)
    value = 2 * np.mean(samples[n] * np.exp(-2j * np.pi * TONE_HZ * n / RATE))
    return abs(value), float(np.angle(value))


def play(page: Any, then: str) -> np.ndarray:
    """Play for 0.6 s, press a key, and return the newest 0.74 s once 0.3 s more have been played."""
    page.keyboard.press("Space")
    until_played(page, 0.6)
    page.keyboard.press(then)
    until_played(page, seconds(page) + 0.3)
    return np.array(page.evaluate("() => window.samples()"))


def test_a_switch_is_on_the_sample_and_without_a_gap(page: Any) -> None:
    samples = play(page, "3")
    assert chosen(page) == 2
    loud, soft = amplitude_and_phase(samples, 0), amplitude_and_phase(samples, 32768 - 4410)
    assert loud[0] == pytest.approx(0.5, rel=0.01) and soft[0] == pytest.approx(0.125, rel=0.01)
    assert loud[1] == pytest.approx(soft[1], abs=0.01)  # one sample would be 0.063
    peaks = np.abs(samples[: 32768 // 100 * 100].reshape(-1, 100)).max(axis=1)  # a period each
    assert peaks.min() > 0.12


def test_equal_loudness_changes_the_level_and_nothing_else(page: Any) -> None:
    page.check("#match")
    page.evaluate("() => document.activeElement.blur()")
    samples = play(page, "3")
    first, last = (amplitude_and_phase(samples, start)[0] for start in (0, 32768 - 4410))
    assert first == pytest.approx(last, rel=0.02) and first == pytest.approx(10 ** (-1 / 20), rel=0.02)  # of all peaks


def test_a_loop_returns_to_its_begin(page: Any) -> None:
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert seconds(page) == 6.0
    page.keyboard.press("a")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    assert page.text_content("#loop") == "6.0 to 7.0 s"
    page.keyboard.press("Space")
    for _ in range(2):  # longer than the rest of the sound
        page.wait_for_function("() => parseFloat(document.getElementById('time').textContent) > 6.6")
        page.wait_for_function("() => parseFloat(document.getElementById('time').textContent) < 6.4")
    assert page.get_attribute("#play", "aria-pressed") == "true" and 6.0 <= seconds(page) <= 7.0
    assert amplitude_and_phase(np.array(page.evaluate("() => window.samples()")), 0)[0] == pytest.approx(0.5, rel=0.01)
    page.keyboard.press("c")
    assert page.text_content("#loop") == "no loop"


def test_buttons_and_keys(page: Any) -> None:
    page.click("#player [role=radio] >> nth=3")
    assert chosen(page) == 3
    page.keyboard.press("ArrowUp")
    assert chosen(page) == 2
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert chosen(page) == 3  # there is no fifth
    page.keyboard.press("9")
    assert chosen(page) == 3
    page.keyboard.press("Space")  # with the focus on a button: it plays and chooses nothing
    assert page.get_attribute("#play", "aria-pressed") == "true"
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "false" and chosen(page) == 3


def test_at_the_end_it_stops_and_begins_again(page: Any) -> None:
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('play').getAttribute('aria-pressed') === 'false'")
    assert seconds(page) == 0.0


@pytest.mark.parametrize("kind", ["SVG", "PNG"])
def test_pictures_are_saved(page: Any, kind: str) -> None:
    with page.expect_download() as waiting:
        page.click(f"[aria-label='Save as {kind}: Gain from input to aided sound, left ear']")
    saved = waiting.value
    assert saved.suggested_filename == f"gain-from-input-to-aided-sound-left-ear.{kind.lower()}"
    content = saved.path().read_bytes()
    if kind == "SVG":
        root = ElementTree.fromstring(content)
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(root) > 1
    else:
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20]) > 800  # pixels wide
