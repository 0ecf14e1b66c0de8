"""The hearing loss against levels worked out by hand from its formulas and norms."""

import math

import numpy as np
import pytest

from hearsim.core.audio import Format
from hearsim.ear.auditory import erb_number, free_field_threshold_db_spl
from hearsim.ear.hearing_loss import HOP, HearingLoss, recruitment_gain_db
from hearsim.profile.schema import Audiogram

RATE = 44100


def flat(threshold_db_hl: float) -> Audiogram:
    return Audiogram(frequencies_hz=(250, 6000), thresholds_db_hl=(threshold_db_hl, threshold_db_hl))


def heard_db_spl(ears: tuple[Audiogram, Audiogram], hz: float, db_spl: float) -> list[float]:
    stage = HearingLoss(ears)
    stage.prepare(Format(RATE, 2, HOP, unit="pa"))
    t = np.arange(64 * HOP) / RATE
    sound = np.repeat((math.sqrt(2) * 20e-6 * 10 ** (db_spl / 20) * np.sin(2 * np.pi * hz * t))[None], 2, axis=0)
    blocks = [stage.process(sound[:, i : i + HOP].astype(np.float32)).copy() for i in range(0, t.size, HOP)]
    settled = np.concatenate(blocks, axis=1)[:, 16 * HOP :].astype(np.float64)
    return (20 * np.log10(np.sqrt(np.mean(settled**2, axis=1)) / 20e-6)).tolist()


def test_each_ear_has_its_own_loss() -> None:
    """1 kHz at 70 dB SPL is 67.6 dB HL (ISO 389-7): (67.6 - 50) x 100 / 50 = 35.2 dB HL with 50 dB of loss."""
    left, right = heard_db_spl((flat(0), flat(50)), 1000.0, 70.0)
    assert left == pytest.approx(70.0, abs=0.1)
    assert right == pytest.approx(35.2 + 2.4, abs=1.0)


def test_recruitment_catches_up() -> None:
    """With 50 dB of loss at 100 dB HL; with 100 dB of loss 15 dB over it, at 115."""
    levels, losses = np.array([75.0, 100.0, 110.0, 115.0]), np.array([50.0, 50.0, 100.0, 100.0])
    expected = [-25.0, 0.0, (110 - 100) * 115 / 15 - 110, 0.0]
    np.testing.assert_allclose(recruitment_gain_db(levels, losses), expected, atol=1e-9)


def test_erb_numbers_of_glasberg_and_moore() -> None:
    """21.4 lg(1 + 0.00437 f): 15.62 at 1 kHz, 27.11 at 4 kHz."""
    np.testing.assert_allclose(erb_number(np.array([1000.0, 4000.0])), [15.62, 27.11], atol=0.01)


def test_free_field_thresholds_of_iso_389_7() -> None:
    """At tabled frequencies, between two of them (63 and 80 Hz: half way over log frequency), and beyond the ends."""
    frequencies = np.array([20.0, 63.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 12500.0, 16000.0])
    expected = [78.5, 37.5, 22.1, 11.4, 4.4, 2.4, -1.3, -5.4, 12.6, 12.3, 40.2]
    np.testing.assert_allclose(free_field_threshold_db_spl(frequencies), expected, atol=1e-9)
    between, below, above = free_field_threshold_db_spl(np.array([math.sqrt(63 * 80), 16.0, 20250.0]))
    assert between == pytest.approx((37.5 + 31.5) / 2)
    assert below == pytest.approx(78.5 + (78.5 - 68.7), abs=0.01)  # 20 / 25 = 16 / 20
    assert above == pytest.approx(73.2 + (73.2 - 40.2), abs=0.01)  # 18 / 16 = 20.25 / 18


@pytest.mark.parametrize(
    ("hz", "quiet_db_spl"),
    [(63, 37.5), (80, 31.5), (125, 22.1), (250, 11.4), (2000, -1.3), (4000, -5.4), (8000, 12.6), (12500, 12.3)],
)
def test_tones_under_a_raised_threshold_stay_under_the_normal_one(hz: float, quiet_db_spl: float) -> None:
    """32.5 dB HL with 40 dB of loss are heard at (32.5 - 40) x 100 / 60 = -12.5 dB HL: 25 dB SPL at 63 Hz."""
    left, right = heard_db_spl((flat(40), flat(0)), hz, quiet_db_spl + 32.5)
    assert left == pytest.approx(quiet_db_spl - 12.5, abs=0.7)
    assert right == pytest.approx(quiet_db_spl + 32.5, abs=0.1)


def test_the_highest_tones_need_the_highest_levels() -> None:
    """16 kHz at 90 dB SPL is 49.8 dB HL: (49.8 - 40) x 100 / 60 = 16.3 dB HL, 56.5 dB SPL."""
    assert heard_db_spl((flat(40), flat(40)), 16000.0, 90.0) == pytest.approx([56.5, 56.5], abs=1.0)
