"""Fitting rules against gains worked out by hand from the papers' formulas."""

import pytest

from hearsim.aid.fitting.nal import insertion_gain_db
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.profile.schema import Audiogram


def gains(rule: str, thresholds: dict[float, float]) -> dict[float, float]:
    ear = Audiogram(frequencies_hz=tuple(thresholds), thresholds_db_hl=tuple(thresholds.values()))
    return dict(zip(AUDIOMETRIC_HZ, insertion_gain_db(rule, ear.at), strict=True))


def test_nal_r_of_a_mild_loss_is_floored_at_0() -> None:
    """Flat 20 dB HL: 0.15 x 20 + 0.31 x 20 = 9.2, less 17 at 250 Hz and 8 at 500 Hz."""
    flat = gains("nal-r", {250: 20, 6000: 20})
    assert flat[250] == 0.0
    assert flat[500] == pytest.approx(1.2)
    assert flat[1000] == pytest.approx(10.2)


def test_nal_r_takes_its_mean_from_three_frequencies() -> None:
    """X = 0.05 (H500 + H1k + H2k) = 0.05 (30 + 40 + 60) = 6.5; at 2 kHz 0.31 x 60 - 1."""
    sloping = gains("nal-r", {250: 20, 500: 30, 1000: 40, 2000: 60, 4000: 80, 6000: 80})
    assert sloping[1000] == pytest.approx(6.5 + 0.31 * 40 + 1)
    assert sloping[2000] == pytest.approx(6.5 + 0.31 * 60 - 1)
    assert sloping[4000] == pytest.approx(6.5 + 0.31 * 80 - 2)


def test_nal_rp_gives_profound_losses_more_bass_and_less_treble() -> None:
    """Byrne, Parkinson & Newall 1991: with 110 dB HL at 2 kHz the row is 11 dB at 250 Hz and -6 at 4 kHz."""
    loss = {250: 80, 500: 90, 1000: 100, 2000: 110, 4000: 110, 6000: 110}
    linear, profound = gains("nal-r", loss), gains("nal-rp", loss)
    severe = 0.2 * ((90 + 100 + 110) / 3 - 60)
    assert profound[250] - linear[250] == pytest.approx(severe + 11)
    assert profound[4000] - linear[4000] == pytest.approx(severe - 6)
