"""The aid as an object: its profile, its parts by name, and what is refused when it is made."""

import pytest
from cases import quick_profile

from hearsim.aid.hearing_aid import HearingAid, hearing_aid
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.remix import Remix
from hearsim.aid.separator import Separator
from hearsim.core.calibration import ToPascal
from hearsim.core.composites import Chain, Delay
from hearsim.core.errors import HearsimError
from hearsim.core.processor import find


def test_an_aid_knows_its_profile() -> None:
    profile = quick_profile("flat")
    aid = hearing_aid(profile)
    assert isinstance(aid, HearingAid) and aid.profile is profile


@pytest.mark.parametrize(
    ("bypass", "sentence"),
    [
        ({"compensaton"}, r"bypass: there is no 'compensaton': did you mean compensation\? \(separation, compensation"),
        (["limit", "mpo"], r"bypass: there is no 'mpo': \(separation, compensation, limit\)"),
        ("limit", r"bypass = 'limit' is not a set of names"),
        (None, r"bypass = None is not a set of names"),
    ],
)
def test_a_bypass_of_no_part_is_refused(bypass: object, sentence: str) -> None:
    with pytest.raises(HearsimError, match=sentence):
        hearing_aid(quick_profile("flat"), bypass)  # type: ignore[arg-type]


def test_stages_are_found_by_kind() -> None:
    aid = hearing_aid(quick_profile("flat"))
    assert [aid.index(kind) for kind in (Separator, Remix, ToPascal, MpoLimiter)] == [0, 0, 1, 3]
    assert find(aid, MpoLimiter) is aid.stages[3]
    with pytest.raises(HearsimError, match=r"^aid 'flat' holds no Separator; its stages: aid 'flat', Delay, ToPascal"):
        find(hearing_aid(quick_profile("flat"), separation=Delay(0)), Separator)
    with pytest.raises(HearsimError, match="Chain holds no Delay"):
        Chain().index(Delay)
