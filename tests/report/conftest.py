"""The report and its page, for the tests that read or bend them."""

from typing import Any

import pytest
from report_sample import EXCERPTS, sample

from hearsim.report.page import page


@pytest.fixture
def report() -> dict[str, Any]:
    return sample()


@pytest.fixture(scope="module")
def whole() -> str:
    """The page of the report as it is."""
    return page(sample(), EXCERPTS)
