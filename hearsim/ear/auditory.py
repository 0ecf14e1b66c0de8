"""The auditory scale: ERB-number and the threshold of normal hearing."""

import numpy as np

from hearsim.core.units import Curve

# ISO 389-7 free-field thresholds, dB SPL; constant outside
_FREE_FIELD_HZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0, 6300.0, 8000.0)
_FREE_FIELD_DB_SPL = (11.4, 4.4, 2.4, -1.3, -5.4, 6.0, 12.6)


def erb_number(frequency_hz: Curve) -> Curve:
    """Return the ERB-number (Cam) of frequencies, Glasberg & Moore 1990, eq. 4."""
    number: Curve = 21.4 * np.log10(1 + 0.00437 * np.asarray(frequency_hz))
    return number


def free_field_threshold_db_spl(frequency_hz: Curve) -> Curve:
    """Return the threshold of normal hearing in dB SPL at frequencies in Hz, both ears in the free field."""
    threshold: Curve = np.interp(np.log(frequency_hz), np.log(_FREE_FIELD_HZ), _FREE_FIELD_DB_SPL)
    return threshold
