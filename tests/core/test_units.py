"""Units against values worked out by hand."""

import math

import pytest

from hearsim.core.units import (
    db_to_gain,
    gain_to_db,
    ms_to_samples,
    pascal_to_spl,
    samples_to_ms,
    spl_to_pascal,
)


def test_decibels_are_of_amplitude() -> None:
    assert db_to_gain(20.0) == pytest.approx(10.0)
    assert db_to_gain(6.0206) == pytest.approx(2.0, abs=1e-5)
    assert gain_to_db(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert gain_to_db(0.0) == -math.inf


def test_sound_pressure_levels_are_re_20_micropascals() -> None:
    assert spl_to_pascal(94.0) == pytest.approx(1.00237, abs=1e-5)
    assert pascal_to_spl(20e-6) == pytest.approx(0.0, abs=1e-12)


def test_times_round_to_the_nearest_sample() -> None:
    assert ms_to_samples(10.0, 44100) == 441
    assert ms_to_samples(1.5, 44100) == 66  # 66.15
    assert ms_to_samples(1.4, 44100) == 62  # 61.74
    assert samples_to_ms(1068, 44100) == pytest.approx(24.2177, abs=1e-4)
