"""Chromium for the tests that look at the mixer page, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
MISSING = [
    *(["chromium (apt-get install chromium)"] if CHROMIUM is None else []),
    *(["playwright (pip install playwright)"] if find_spec("playwright") is None else []),
]
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {' and '.join(MISSING)}")
PATIENCE_MS = 60_000


@contextmanager
def chromium() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split(), timeout=PATIENCE_MS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: "Browser", link: str, width: int = 1000, scheme: str = "light") -> Iterator["Page"]:
    """The mixer page in a window of its own; whatever its scripts complain of is an error."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(link)
    page.wait_for_selector("#figures dd")
    yield page
    context.close()
    assert complaints == []
