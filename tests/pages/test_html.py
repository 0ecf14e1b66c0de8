"""What stands in a page: text as text, numbers with their sign, pictures that share nothing."""

import re

import pytest

from hearsim.pages.html import number, table
from hearsim.pages.svg import drawing, svg


@pytest.mark.parametrize(
    ("value", "digits", "sign", "shown"),
    [
        (-1.25, 1, "-", "−1.2"),
        (1.25, 2, "+", "+1.25"),
        (-0.04, 1, "+", "+0.0"),
        (-0.04, 1, "-", "0.0"),
        (None, 1, "-", "–"),
    ],
)
def test_numbers_as_people_write_them(value: float | None, digits: int, sign: str, shown: str) -> None:
    assert number(value, digits, sign) == shown


def test_text_of_a_table_is_no_markup() -> None:
    shown = table("<b>levels</b>", ("ear & side", "dB"), [["<script>", "1.0"], ["right", "2.0"]], 1, sums=1)
    assert "&lt;b&gt;levels" in shown and "ear &amp; side" in shown and "&lt;script&gt;" in shown
    assert "<script>" not in shown and "<b>levels" not in shown
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", shown)
    assert cells == ["ear &amp; side", "dB", "&lt;script&gt;", "1.0", "right", "2.0"]


def test_two_pictures_of_a_page_share_no_clip_and_no_mark() -> None:
    made = []
    for name, end in (("first", 1.0), ("second", 1000.0)):
        with drawing(3, 2) as (figure, axis):
            axis.plot([0, end], [0, 1], "o-")
            made.append(svg(figure, f"the {name}", name))
    used = [set(re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", one)) for one in made]
    ids = [set(re.findall(r'\bid="([^"]*)"', one)) for one in made]
    for mine, known, other in zip(used, ids, ids[::-1], strict=True):
        names = {name for pair in mine for name in pair if name}
        assert names and names <= known and not names & other
