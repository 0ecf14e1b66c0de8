"""The mixer page in Chromium: its controls set the mixer state, it shows changes made elsewhere, and it comes back."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import chromium, needs_browser, opened
from stage import Stage, until

from hearsim.live.control import OPENING, RUNNING
from hearsim.profile.load import load_listener, load_mix, load_profile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, WebSocketRoute

pytestmark = needs_browser
CLIPPED = """() => [...document.querySelectorAll("main *, header *")].filter(one =>
    !one.children.length && one.textContent.trim() && one.closest("[hidden]") === null
    && !["OPTION", "INPUT"].includes(one.tagName) && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).display !== "inline").map(one => one.textContent)"""
OUTSIDE = """() => [...document.querySelectorAll("main *, header *")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width && (box.left < -1 || box.right > innerWidth + 1);
}).map(one => one.outerHTML.slice(0, 80))"""
OVERRUNNING = """() => [...document.querySelectorAll(".strip *, section *")].filter(one => {
    const [box, around] = [one, one.parentElement.closest(".strip, section")].map(each => each.getBoundingClientRect());
    return box.width && (box.left < around.left - 1 || box.right > around.right + 1);
}).map(one => one.outerHTML.slice(0, 80))"""
OVERLAPPING = """() => {
    const boxes = [...document.querySelectorAll(".travel *, .strip > p, .keys, .ears, #bypass, section > h2, figure")];
    const [all, nested] = [boxes.map(one => one.getBoundingClientRect()), (a, b) => a.contains(b) || b.contains(a)];
    return boxes.flatMap((one, k) => boxes.slice(k + 1).filter((other, l) => {
        const a = all[k], b = all[k + 1 + l];
        return !nested(one, other) && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
    }).map(other => [one.outerHTML.slice(0, 60), other.outerHTML.slice(0, 60)]));
}"""
FAINT = """() => {
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(one => one / 255)
        .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, k) => sum + one * [0.2126, 0.7152, 0.0722][k], 0);
    const back = one => {
        for (; one; one = one.parentElement) {
            const color = parts(getComputedStyle(one).backgroundColor);
            if (color.length < 4 || color[3] > 0) return color;
        }
    };
    const faded = one => one ? getComputedStyle(one).opacity * faded(one.parentElement) : 1;
    return [...document.querySelectorAll("h1, h2, h3, p, span, kbd, button, dt, dd, label, legend, figcaption")]
        .filter(one => one.offsetParent && !one.closest(":disabled")
            && [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
        .map(one => {
            const under = back(one), opacity = faded(one);
            const color = parts(getComputedStyle(one).color);
            const ink = color.map((value, k) => value * opacity + under[k] * (1 - opacity));
            const [low, high] = [light(ink), light(under)].sort((a, b) => a - b);
            return [one.outerHTML.slice(0, 60), (high + 0.05) / (low + 0.05)];
        }).filter(([, contrast]) => contrast < 4.5);
}"""
SMALL = """() => [...document.querySelectorAll("button, select, input")].filter(one => one.offsetParent).map(one => {
    const box = (one.closest("label") || one).getBoundingClientRect();
    return [one.outerHTML.slice(0, 60), Math.min(box.width, box.height)];
}).filter(([, size]) => size < 24)"""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(load_profile("moderate-vocals-up"), tmp_path_factory.mktemp("page")).open() as stage:
        yield stage


@pytest.fixture
def page(browser: "Browser", stage: Stage) -> Iterator["Page"]:
    stage.control.controls.begin(load_profile("moderate-vocals-up"), loss=True)
    stage.control.controls.silent = stage.control.controls.panic = 0
    with opened(browser, stage.page.link) as page:
        yield page


def test_no_control_is_there_before_it_stands_where_the_session_does(browser: "Browser", stage: Stage) -> None:
    context = browser.new_context()
    page = context.new_page()
    late: list[tuple[WebSocketRoute, str]] = []

    def hold(socket: "WebSocketRoute") -> None:
        server = socket.connect_to_server()
        server.on_message(lambda text: late.append((socket, text)) if "now" in json.loads(text) else socket.send(text))

    page.route_web_socket("**/live", hold)
    page.goto(stage.page.link)
    until(lambda: page.evaluate("1") and len(late) > 10)
    assert page.get_by_role("slider").count() == 0
    socket, text = late[0]
    socket.send(text)
    stands = float(page.get_by_role("slider", name="vocals fader").input_value())
    assert stands == pytest.approx(stage.control.controls.gain_db("vocals"))
    context.close()


def test_everything_can_be_moved_with_the_keyboard(stage: Stage, page: "Page") -> None:
    controls = stage.control.controls
    fader = page.get_by_role("slider", name="vocals fader")
    fader.press("ArrowDown")
    until(lambda: controls.gain_db("vocals") == 5.5)
    fader.press("Home")
    until(lambda: controls.gain_db("vocals") == -60.0)
    page.get_by_role("slider", name="level of everything").press("End")
    until(lambda: controls.level_db == 0.0)
    page.get_by_role("button", name="mute drums").press("Enter")
    until(lambda: controls.mixer_state().gains["drums"] == 0.0)
    page.get_by_role("button", name="solo bass").press("Space")
    until(lambda: [stem for stem, gain in controls.mixer_state().gains.items() if gain] == ["bass"])
    page.get_by_role("radio", name="Remix + aid").press("ArrowLeft")
    until(lambda: controls.mixer_state().step == "remix")
    page.get_by_role("switch", name="Hearing loss").press("Space")
    until(lambda: controls.mixer_state().loss)
    page.keyboard.press("Escape")
    until(lambda: controls.panic == 1)
    page.get_by_role("button", name="Fade in").press("Enter")
    until(lambda: controls.panic == 0)
    page.get_by_role("button", name="Panic").press("Escape")
    until(lambda: controls.panic == 1)
    page.get_by_role("button", name="Fade in").press("Escape")  # as its button says
    until(lambda: controls.panic == 0)


def test_and_by_touch_and_mouse(stage: Stage, page: "Page") -> None:
    controls = stage.control.controls
    box = page.get_by_role("slider", name="bass fader").bounding_box()
    assert box is not None
    middle, top, height = box["x"] + box["width"] / 2, box["y"], box["height"]
    page.touchscreen.tap(middle, top + height / 2)
    until(lambda: abs(controls.gain_db("bass") + 24) < 2)  # half of -60 .. 12
    page.mouse.move(middle, top + height / 2)
    page.mouse.down()
    page.mouse.move(middle, top + height - 12, steps=5)
    page.mouse.up()
    until(lambda: controls.gain_db("bass") < -55)
    page.get_by_role("slider", name="bass fader").dblclick()
    until(lambda: controls.gain_db("bass") == 0.0)
    page.get_by_role("radio", name="Dry").tap()
    until(lambda: controls.mixer_state().step == "dry")
    page.get_by_role("button", name="Panic").tap()
    until(lambda: controls.panic == 1)


def test_it_shows_what_is_moved_elsewhere(stage: Stage, page: "Page") -> None:
    controls, control = stage.control.controls, stage.control
    controls.set_gain("other", -7.5)
    controls.set_muted("drums", True)
    controls.set_step("dry")
    until(lambda: page.get_by_role("slider", name="other fader").input_value() == "-7.5")
    page.wait_for_selector("[aria-label='mute drums'][aria-pressed=true]")
    until(lambda: page.get_by_role("radio", name="Dry").is_checked())
    control.worker_status.array("limited")[1] += 10
    page.wait_for_selector("[aria-label='right limiter'].on")
    assert page.locator("[aria-label='left limiter'].on").count() == 0
    page.wait_for_selector("[aria-label='right limiter']:not(.on)")
    stage.tell("the device is back after 2.0 s")
    page.get_by_role("log").get_by_text("the device is back after 2.0 s").first.wait_for()
    control.worker_status.state = 1
    until(lambda: page.get_by_role("status").inner_text() == "dry signal: a new worker is starting")
    control.worker_status.state = 2
    ledger = page.locator("#parts").inner_text()
    assert "MPO limiter look-ahead" in ledger and "reported" in ledger
    assert page.locator("#total").inner_text() == "57.3 ms from input to ear (2526 samples)"
    assert page.locator("dd").first.inner_text() == "3.3 / 4.5 of 11.6 ms"


def test_presets_are_saved_refused_replaced_and_loaded(stage: Stage, page: "Page") -> None:
    controls, path = stage.control.controls, stage.folder / "mixes/evening.toml"
    page.get_by_label("Name").fill("evening")
    page.get_by_role("button", name="Save mix").click()
    page.get_by_role("log").get_by_text("saved as").first.wait_for()
    assert load_mix(path).gains_db.vocals == 6.0
    page.get_by_role("slider", name="vocals fader").press("Home")
    page.get_by_role("button", name="Save mix").click()
    page.get_by_role("log").get_by_text("already there").first.wait_for()
    assert load_mix(path).gains_db.vocals == 6.0
    page.get_by_role("button", name="Replace").click()
    until(lambda: load_mix(path).gains_db.vocals == -60.0)
    page.locator("#preset").select_option("instrumental")
    page.get_by_role("button", name="Load").click()
    until(lambda: controls.mixer_state().gains["vocals"] == 0.0)
    page.locator("#preset").select_option("evening")
    page.get_by_role("button", name="Load").click()
    until(lambda: controls.mixer_state().gains["vocals"] == pytest.approx(1e-3))


def test_another_profile_brings_its_limit_and_its_figures_and_its_mix_if_asked(stage: Stage, page: "Page") -> None:
    other, controls = load_profile("severe-vocals-up"), stage.control.controls
    controls.set_gain("vocals", -7.0)
    page.locator("#profile").select_option("severe-vocals-up")
    page.get_by_text("listener N5").wait_for()
    assert f"of {other.mpo_db_spl[0]:g}" in page.locator(".ears").inner_text()
    assert "1000 Hz" in str(page.locator("#audiogram svg").get_attribute("aria-label"))
    number, profile = controls.profile()
    assert (profile, number) == (other, controls.profile_number) and number > 0
    until(lambda: page.get_by_role("status").inner_text() == "silent: the profile is changing")
    assert controls.gain_db("vocals") == -7.0
    page.get_by_label("a profile brings its mix").check()
    page.locator("#profile").select_option("moderate-vocals-up")
    until(lambda: controls.gain_db("vocals") == pytest.approx(6.0))


def test_a_listener_alone_keeps_aid_and_mix(stage: Stage, page: "Page") -> None:
    controls, before = stage.control.controls, stage.session.profile
    controls.set_gain("bass", -9.0)
    page.locator("#person").select_option("N4")
    page.get_by_text("listener N4", exact=True).wait_for()
    _, profile = controls.profile()
    assert profile.listener == load_listener("N4") and profile.aid == before.aid and profile.rig == before.rig
    assert controls.gain_db("bass") == -9.0


def test_moves_are_taken_back(stage: Stage, page: "Page") -> None:
    controls = stage.control.controls
    page.locator("#preset").select_option("instrumental")
    page.get_by_role("button", name="Load").click()
    until(lambda: bool(controls.array("muted")[0]))
    for _ in range(3):
        page.get_by_role("slider", name="bass fader").press("ArrowDown")
    until(lambda: controls.gain_db("bass") == -1.5)
    page.get_by_role("button", name="Undo").click()
    until(lambda: controls.gain_db("bass") == 0.0)  # one fader's moves together
    page.keyboard.press("Control+z")
    until(lambda: not controls.array("muted")[0] and controls.gain_db("vocals") == pytest.approx(6.0))
    until(lambda: page.get_by_role("button", name="Undo").is_disabled())


def test_the_wheel_moves_a_fader_by_a_decibel(stage: Stage, page: "Page") -> None:
    controls = stage.control.controls
    page.get_by_role("slider", name="bass fader").hover()
    page.mouse.wheel(0, 120)
    until(lambda: controls.gain_db("bass") == -1.0)
    page.mouse.wheel(0, -120)
    until(lambda: controls.gain_db("bass") == 0.0)


def test_a_scale_stands_where_the_fader_does(page: "Page") -> None:
    """The label of 0 dB is as high as the knob of a fader at 0 dB: both at 60 of 72 dB."""
    strip = page.get_by_role("group", name="bass")
    fader, label = strip.get_by_role("slider").bounding_box(), strip.get_by_text("0", exact=True).bounding_box()
    meter = strip.get_by_role("meter").bounding_box()
    assert fader and label and meter
    assert label["y"] + label["height"] / 2 == pytest.approx(fader["y"] + 8 + (fader["height"] - 16) * 12 / 72, abs=2)
    assert label["y"] + label["height"] / 2 == pytest.approx(meter["y"] + meter["height"] * 12 / 72, abs=2)
    shown = [
        text.replace("−", "-")
        for text in page.get_by_role("group", name="output").locator(".spl span").all_inner_texts()
    ]
    assert shown[:3] == ["40", "60", "80"]


def test_without_a_device_the_meters_rest(stage: Stage, page: "Page") -> None:
    left = page.get_by_role("meter", name="left ear, MPO")
    until(lambda: left.get_attribute("aria-valuenow") != "0")
    stage.control.playback_status.state = OPENING
    until(lambda: left.get_attribute("aria-valuenow") == "0")
    until(lambda: page.get_by_role("meter", name="vocals level").get_attribute("aria-valuenow") == "0")
    stage.control.playback_status.state = RUNNING


def test_the_legend_of_the_bypass_is_true(stage: Stage, page: "Page") -> None:
    stage.control.controls.set_loss(False)
    page.get_by_text("Bypass, equally late and equally loud").wait_for()
    stage.control.controls.set_loss(True)
    page.get_by_text("Bypass, equally late; levels as they are, for the hearing loss is on").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(browser: "Browser", stage: Stage, scheme: str) -> None:
    """WCAG 1.4.3: a contrast of 4.5, of muted strips and of the panic button in both its states too."""
    controls = stage.control.controls
    controls.set_muted("drums", True)
    with opened(browser, stage.page.link, 1000, scheme) as page:
        for panic in (0, 1):
            controls.panic = panic
            page.wait_for_selector(f"#panic[aria-pressed={'true' if panic else 'false'}]")
            assert page.evaluate(FAINT) == []
    controls.panic = 0
    controls.set_muted("drums", False)


def test_nothing_is_ordered_before_the_session_is_drawn(browser: "Browser", stage: Stage) -> None:
    """A page that is connected and has heard nothing yet: its controls don't stand where the session does."""
    context = browser.new_context()
    page = context.new_page()
    page.route_web_socket(re.compile("/live$"), lambda _: None)  # opens, and is silent
    page.goto(stage.page.link)
    page.wait_for_function("document.getElementById('sound').textContent === 'connecting …'")
    assert page.locator("main").get_attribute("inert") is not None
    context.close()


def test_it_comes_back_after_its_server_was_killed(stage: Stage, page: "Page") -> None:
    os.kill(stage.page.process.pid or 0, signal.SIGKILL)
    page.get_by_role("alert").get_by_text("the sound goes on").wait_for()
    page.get_by_role("alert").wait_for(state="hidden")
    until(lambda: any("SIGKILL" in line and "started again" in line for line in stage.said))
    page.get_by_role("button", name="solo vocals").click()
    until(lambda: bool(stage.control.controls.array("solo")[0]))


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(320, "dark"), (390, "light"), (800, "dark"), (1200, "dark"), (1280, "light"), (1600, "light")],
)
def test_it_fits_every_screen(browser: "Browser", stage: Stage, width: int, scheme: str, tmp_path: Path) -> None:
    with opened(browser, stage.page.link, width, scheme) as page:
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(OVERRUNNING) == []
        assert page.evaluate(CLIPPED) == []
        assert page.evaluate(OVERLAPPING) == []
        assert page.evaluate(SMALL) == []  # WCAG 2.5.8: targets of at least 24 pixels
        page.screenshot(path=tmp_path / f"mixer-{width}.png", full_page=True)  # to be looked at
        shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
        assert (shade < 60) == (scheme == "dark")


def test_every_control_has_a_name_of_its_own(page: "Page") -> None:
    names = page.evaluate("""() => [...document.querySelectorAll("button, select, input, [role=meter], [role=img]")]
        .map(one => one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim() || one.textContent.trim())""")
    assert all(names) and len(set(names)) == len(names)
