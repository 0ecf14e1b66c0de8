"""The sum of the declared rows is the measured delay, for every shipped profile and for odd host blocks."""

import pytest

from hearsim.audio import Format
from hearsim.hearing_aid import hearing_aid
from hearsim.latency import budget, measure, vent_comb, verdicts
from hearsim.processor import Chain, Delay
from hearsim.profile import load_profile, profile_names


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("block", [128, 441, 512])
def test_declared_is_measured(name: str, block: int) -> None:
    aid, fmt = hearing_aid(load_profile(name)), Format(44100, 2, block)
    assert measure(aid, fmt) == budget(aid, fmt).total_samples


def test_measuring_sees_an_undeclared_delay() -> None:
    class Liar(Delay):
        @property
        def latency(self) -> int:
            return 3

    fmt = Format(44100, 2, 128)
    liar = Chain(Liar(10))
    assert budget(liar, fmt).total_samples == 131
    assert measure(liar, fmt) == 138


def test_file_shift_is_the_live_delay_less_a_block() -> None:
    ledger = budget(hearing_aid(load_profile("flat")), Format(44100, 2, 512))
    assert (ledger.total_samples, ledger.file_shift_samples) == (512 + 512 + 44, 512 + 44)


@pytest.mark.parametrize(("difference_db", "ripple_db"), [(24.8, 1.0), (15.3, 3.0), (9.6, 6.0)])
def test_comb(difference_db: float, ripple_db: float) -> None:
    comb = vent_comb(23.22, difference_db)
    assert comb["ripple_db"] == pytest.approx(ripple_db, abs=0.06)
    assert comb["spacing_hz"] == pytest.approx(43.07, abs=0.01)


def test_verdicts_follow_the_delay() -> None:
    assert [verdict.ok for verdict in verdicts(24.2)] == [True, False, False]
    assert [verdict.ok for verdict in verdicts(0.9)] == [True, True, True]
