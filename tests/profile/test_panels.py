"""Listeners drawn at random: each another one, of the degree and slope that are asked for."""

import numpy as np
import pytest

from hearsim.profile.panels import DEGREES_DB_HL, SLOPES_DB_PER_OCTAVE, Drawn


@pytest.mark.parametrize(("degree", "slope"), [("mild", "flat"), ("moderate", "steep"), ("severe", "sloping")])
def test_drawn_losses_are_of_their_degree_and_slope(degree: str, slope: str) -> None:
    """Means of three frequencies and slopes, within the 5 dB to which thresholds are rounded."""
    drawn = list(Drawn(degree=degree, slope=slope, count=40, seed=1).listeners().values())  # type: ignore[arg-type]
    ears = [ear for listener in drawn for ear in listener.ears]
    means = np.array([ear.at((500.0, 1000.0, 2000.0)).mean() for ear in ears])
    low, high = DEGREES_DB_HL[degree]
    assert low - 2.5 <= means.min() and means.max() <= high + 2.5
    assert low <= np.median(means) <= high and np.ptp(means) > 5
    slopes = np.mean([(ear.at((4000.0,)) - ear.at((1000.0,)))[0] / 2 for ear in ears])
    low, high = SLOPES_DB_PER_OCTAVE[slope]
    assert low - 1 <= slopes <= high + 1
    assert len({listener.left.thresholds_db_hl for listener in drawn}) > 20
    assert [listener.name for listener in drawn[:2]] == [f"{degree}-{slope}-1-{k}" for k in range(2)]
