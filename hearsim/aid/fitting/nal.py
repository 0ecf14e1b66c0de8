"""Prescribed insertion gains: NAL-R and NAL-RP.

Byrne & Dillon 1986, Ear Hear 7:257; Byrne, Parkinson & Newall 1990, Ear Hear 11:40. NAL-R's constants are tabled at all
nine audiometric frequencies; that at 750 Hz, -3 dB, is as in other implementations of the table. NAL-RP's rows for
profound losses have no 750 Hz (Byrne, Parkinson & Newall 1991, fig. 9, as in openMHA and the Auditory Modeling
Toolbox): there they are interpolated.
"""

import numpy as np

from hearsim.aid.fitting.fitting import Thresholds, fitting_rule
from hearsim.core.units import Curve
from hearsim.dsp.bands import AUDIOMETRIC_HZ

_K_DB = np.array((-17.0, -8.0, -3.0, 1.0, 1.0, -1.0, -2.0, -2.0, -2.0))  # at AUDIOMETRIC_HZ
_PROFOUND_HZ = (250.0, 500.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0)
_PROFOUND_H2K = (95.0, 100.0, 105.0, 110.0, 115.0, 120.0)
_PROFOUND_DB = np.array(  # correction at _PROFOUND_HZ for the 2 kHz thresholds above
    [
        [4, 3, 0, -1, -2, -2, -2, -2],
        [6, 4, 0, -2, -3, -3, -3, -3],
        [8, 5, 0, -3, -5, -5, -5, -5],
        [11, 7, 0, -3, -6, -6, -6, -6],
        [13, 8, 0, -4, -8, -8, -8, -8],
        [15, 9, 0, -5, -9, -9, -9, -9],
    ],
    np.float64,
)


@fitting_rule("nal-r")
def nal_r(thresholds: Thresholds, level_db_spl: float) -> Curve:
    """Return NAL-R's insertion gain in dB, floored at 0: linear, so the same at each level of speech."""
    return _floored(thresholds, _linear(thresholds))


@fitting_rule("nal-rp")
def nal_rp(thresholds: Thresholds, level_db_spl: float) -> Curve:
    """Return NAL-RP's insertion gain in dB, floored at 0: NAL-R with more gain for severe losses.

    The row for profound losses is that of the highest tabled 2 kHz threshold reached (95, 100, .. 120 dB HL).
    """
    gain = _linear(thresholds) + 0.2 * max(0.0, _mean(thresholds) - 60.0)
    h2k = thresholds((2000.0,))[0]
    if h2k >= _PROFOUND_H2K[0]:
        row = int(np.searchsorted(_PROFOUND_H2K, h2k, side="right")) - 1
        gain = gain + np.interp(np.log(AUDIOMETRIC_HZ), np.log(_PROFOUND_HZ), _PROFOUND_DB[row])
    return _floored(thresholds, gain)


def _mean(thresholds: Thresholds) -> float:
    """Return the three-frequency average in dB HL."""
    h500, h1k, h2k = thresholds((500.0, 1000.0, 2000.0))
    return float((h500 + h1k + h2k) / 3)


def _linear(thresholds: Thresholds) -> Curve:
    gain: Curve = 0.31 * thresholds(AUDIOMETRIC_HZ) + 0.15 * _mean(thresholds) + _K_DB
    return gain


def _floored(thresholds: Thresholds, gain: Curve) -> Curve:
    """Return gains of 0 dB at least, and of 0 dB for an ear without loss."""
    floored: Curve = np.maximum(gain, 0.0) if np.any(thresholds(AUDIOMETRIC_HZ) > 0) else np.zeros_like(gain)
    return floored
