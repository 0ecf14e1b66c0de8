"""The bands of the aid and the speech in them, against the published spectrum and sums by hand."""

import numpy as np
import pytest

from hearsim.dsp.bands import AUDIOMETRIC_HZ, LTASS_70_DB_SPL, NOMINAL_THIRD_OCTAVES_HZ, speech_band_levels

# Byrne et al. 1994, JASA 96:2108, table 2, combined: one-third octaves from 63 Hz to 16 kHz, overall 70 dB SPL
PUBLISHED = (
    "38.6 43.5 54.4 57.7 56.8 60.2 60.3 59.0 62.1 62.1 60.5 56.8 53.7 53.0 52.0 48.7 48.1 46.8 45.6 44.5 44.3 43.7 "
    "43.4 41.3 40.7"
)


def test_the_spectrum_of_speech_is_the_published_one() -> None:
    assert tuple(map(float, PUBLISHED.split())) == LTASS_70_DB_SPL
    assert len(LTASS_70_DB_SPL) == len(NOMINAL_THIRD_OCTAVES_HZ)


def test_a_band_sums_its_third_octaves() -> None:
    """1 kHz: from sqrt(750 x 1000) to sqrt(1000 x 1500) Hz; by its shares of the 800, 1000 and 1250 Hz thirds."""
    low, high = np.log2([np.sqrt(750 * 1000), np.sqrt(1000 * 1500)])
    thirds = {800: 56.8, 1000: 53.7, 1250: 53.0}
    centres = dict(zip(thirds, np.log2(1000.0) + np.array([-1, 0, 1]) / 3, strict=True))
    power = 0.0
    for hz, level in thirds.items():
        share = 3 * (min(high, centres[hz] + 1 / 6) - max(low, centres[hz] - 1 / 6))
        power += max(0.0, share) * 10 ** (0.1 * level)
    assert speech_band_levels(70.0)[AUDIOMETRIC_HZ.index(1000.0)] == pytest.approx(10 * np.log10(power), abs=1e-9)
