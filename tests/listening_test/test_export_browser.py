"""An exported test in webMUSHRA itself, in Chromium: from consent to the table of ratings.

webMUSHRA is not ours to ship: put a checkout of github.com/audiolabs/webMUSHRA beside the project, or name it in
WEBMUSHRA.
"""

import csv
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from export_sample import TINY, write_spec

from hearsim.listening_test.build import build
from hearsim.listening_test.collector import Server, serve

ROOT = Path(__file__).parents[2]
CHECKOUT = Path(os.environ.get("WEBMUSHRA", ROOT.parent / "webMUSHRA"))
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
COMMENT = "loud & clear, 100 % ü = +"

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'hearsim[dev]'")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(
        not (CHECKOUT / "lib/webmushra").is_dir(),
        reason=f"no webMUSHRA in {CHECKOUT}: git clone https://github.com/audiolabs/webMUSHRA there",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "playwright.Browser", tmp_path: Path) -> Iterator["playwright.Page"]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(240_000)
    page.shots, page.errors = tmp_path, []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("response", lambda answer: page.errors.append(answer.url) if answer.status == 404 else None)
    yield page
    page.close()


@pytest.fixture(scope="module", params=["mushra", "paired"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    changes = {"method": f'"{request.param}"', "formats": '["webmushra"]', "lufs": "-24"}
    changes["consent"] = "\"<p>Größe – 'quoted' & it's 50 % {a}: [b], # no comment</p>\""
    return build(write_spec(folder, TINY, **changes), folder / "out")


@pytest.fixture
def server(exported: Path) -> Iterator[Server]:
    with serve(exported, CHECKOUT, 0, lambda line: None) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def consent(page: "playwright.Page", server: Server) -> None:
    page.goto(server.addresses()["P01"])
    page.wait_for_selector("#radio-choice-accept", state="attached")
    assert "Größe – 'quoted' & it's 50 % {a}: [b], # no comment" in page.inner_text("#page_content")
    assert page.locator("#__button_next").is_disabled()
    page.locator("label[for=radio-choice-accept]").click()
    page.locator("#__button_next").click()


def rate(page: "playwright.Page", number: int) -> list[str]:
    """Play all that a page holds and rate it, the nth condition n * 10 + the page's number; return the header."""
    page.wait_for_selector("#buttonReference")
    page.wait_for_function("document.querySelector('#popupErrors-popup.ui-popup-active') === null")
    header = page.inner_text("#page_header")
    scales = page.locator(".scales").count()
    for button in ["#buttonReference", *(f"#buttonConditions{n}" for n in range(scales or 2))]:
        page.locator(button).click()
        page.wait_for_function("pageManager.getCurrentPage().mushraAudioControl.getPosition() > 2000")
    for n in range(scales):
        page.evaluate(f"$('.scales').eq({n}).val({10 * n + number}).slider('refresh')")
    if not scales:
        page.locator("label[for=radio-choice-a]").click()
    page.screenshot(path=f"{page.shots}/trial{number}.png")
    page.locator("#__button_next").click()
    page.wait_for_function(f"document.querySelector('#page_header').innerText !== {header!r}")
    return header


def send(page: "playwright.Page") -> str:
    page.fill("#comment", COMMENT)
    page.locator("#send_results").click()
    page.wait_for_selector("#popupDialog-popup.ui-popup-active")
    page.screenshot(path=f"{page.shots}/end.png")
    return page.inner_text("#popupDialog")


def test_from_consent_to_the_table(page: "playwright.Page", server: Server, exported: Path) -> None:
    paired = exported.parent.name.startswith("paired")
    trials = 4 if paired else 2
    consent(page, server)
    headers = [rate(page, number) for number in range(trials)]
    assert headers == [
        "Practice: these ratings do not count",
        *(f"Trial {n} of {trials - 1}" for n in range(1, trials)),
    ]
    assert "An error" not in send(page)
    assert page.errors == []
    with (exported / "results/ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["participant"] for row in rows} == {"P01"}
    assert {row["comment"] for row in rows} == {COMMENT}
    real = [row for row in rows if row["practice"] == "0"]
    if paired:
        assert sorted(row["condition"] for row in real) == ["anchor35", "anchor70", "unprocessed"]
        assert {row["choice_answer"] for row in rows} <= {"correct", "incorrect"}
        assert len(rows) == 4
    else:
        assert sorted(row["condition"] for row in real) == ["anchor35", "anchor70", "reference", "unprocessed"]
        assert [row["rating_score"] for row in rows] == ["0", "10", "20", "30", "1", "11", "21", "31"]


@pytest.mark.parametrize("exported", ["mushra"], indirect=True)
def test_a_failure_to_save_is_shown(page: "playwright.Page", server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """webMUSHRA's 5th defect: without showErrors it would only say thank you."""
    consent(page, server)
    while page.locator("#send_results").count() == 0:
        page.locator("#__button_next").click()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "An error occured while sending your data" in send(page)


@pytest.mark.parametrize("exported", ["mushra"], indirect=True)
def test_results_can_be_sent_again_when_the_collector_is_back(page: "playwright.Page", exported: Path) -> None:
    """It dies before the results are sent; they are sent twice in vain, and a third time with success."""
    with serve(exported, CHECKOUT, 0, lambda line: None) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        consent(page, running)
        while page.locator("#send_results").count() == 0:
            page.locator("#__button_next").click()
        running.shutdown()
        thread.join()
    before = set((exported / "results/sessions").iterdir())
    assert "Your ratings are not lost" in send(page)
    page.locator("#send_again").click()
    assert "Your ratings are not lost" in page.inner_text("#popupDialog")
    with serve(exported, CHECKOUT, running.server_port, lambda line: None) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        page.locator("#send_again").click()
        page.wait_for_function("document.querySelector('#popupDialog').innerText.includes('results are saved')")
        assert "An error" not in page.inner_text("#popupDialog") and page.locator("#send_again").count() == 0
        running.shutdown()
        thread.join()
    (saved,) = set((exported / "results/sessions").iterdir()) - before
    assert COMMENT in saved.read_text(encoding="utf-8")


@pytest.mark.parametrize("exported", ["mushra"], indirect=True)
def test_the_calibration_page_plays_its_tones(page: "playwright.Page", server: Server) -> None:
    page.goto(server.addresses()["calibration"])
    page.wait_for_function(
        "[...document.querySelectorAll('audio')].filter(one => one.readyState === 4 && one.duration === 5).length === 2"
    )
    assert "80 dB SPL" in page.inner_text("#page_content")
    assert page.locator("#__button_next").count() == 0
    assert page.errors == []
