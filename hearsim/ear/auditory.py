"""The auditory scale: ERB-number and the threshold of normal hearing."""

import numpy as np

from hearsim.core.units import Curve

_FREE_FIELD_HZ, _FREE_FIELD_DB_SPL = np.array(  # ISO 389-7:2005, table 1: free field, frontal incidence
    [
        *((20, 78.5), (25, 68.7), (31.5, 59.5), (40, 51.1), (50, 44.0), (63, 37.5), (80, 31.5), (100, 26.5)),
        *((125, 22.1), (160, 17.9), (200, 14.4), (250, 11.4), (315, 8.6), (400, 6.2), (500, 4.4), (630, 3.0)),
        *((750, 2.4), (800, 2.2), (1000, 2.4), (1250, 3.5), (1500, 2.4), (1600, 1.7), (2000, -1.3), (2500, -4.2)),
        *((3000, -5.8), (3150, -6.0), (4000, -5.4), (5000, -1.5), (6000, 4.3), (6300, 6.0), (8000, 12.6)),
        *((9000, 13.9), (10000, 13.9), (11200, 13.0), (12500, 12.3), (14000, 18.4), (16000, 40.2), (18000, 73.2)),
    ],
    np.float64,
).T


def erb_number(frequency_hz: Curve) -> Curve:
    """Return the ERB-number (Cam) of frequencies, Glasberg & Moore 1990, eq. 4."""
    number: Curve = 21.4 * np.log10(1 + 0.00437 * np.asarray(frequency_hz))
    return number


def free_field_threshold_db_spl(frequency_hz: Curve) -> Curve:
    """Return the threshold of normal hearing in dB SPL at frequencies in Hz, both ears in the free field.

    ISO 389-7 from 20 Hz to 18 kHz, linear over log frequency; beyond the norm it is extrapolated from
    the last two tabled frequencies.

    >>> free_field_threshold_db_spl(np.array([63.0, 1000.0, 16000.0])).tolist()
    [37.5, 2.4, 40.2]
    """
    octaves = np.log2(frequency_hz)
    tabled = np.log2(_FREE_FIELD_HZ)
    slopes = np.diff(_FREE_FIELD_DB_SPL) / np.diff(tabled)
    beyond = slopes[0] * np.minimum(octaves - tabled[0], 0.0) + slopes[-1] * np.maximum(octaves - tabled[-1], 0.0)
    threshold: Curve = np.interp(octaves, tabled, _FREE_FIELD_DB_SPL) + beyond
    return threshold
