"""The report and its page, for the tests that read or bend them."""

from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from report_sample import EXCERPTS, sample

from hearsim.report.page import page


@pytest.fixture
def report() -> dict[str, Any]:
    return sample()


@pytest.fixture(scope="module")
def whole() -> str:
    """The page of the report as it is."""
    return page(sample(), EXCERPTS)


@pytest.fixture
def without_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave report.html of a render empty, where a test is about the rest."""
    monkeypatch.setattr("hearsim.report.run.write_page", lambda report, sounds, path: Path(path).touch())


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no curve in a page, where a test is about its text."""
    for name in ("measured_gain", "fitting", "band_levels", "spectrogram_picture"):
        monkeypatch.setattr(f"hearsim.report.page.{name}", lambda *args: Markup())
