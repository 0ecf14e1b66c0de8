"""Prescribed insertion gains: NAL-R and NAL-RP.

Byrne & Dillon 1986, Ear Hear 7:257; Byrne, Parkinson & Newall 1990, Ear Hear 11:40. NAL-R's constants are tabled at all
nine audiometric frequencies; that at 750 Hz, -3 dB, is as in other implementations of the table. NAL-RP's rows for
profound losses have no 750 Hz (Byrne, Parkinson & Newall 1991, fig. 9, as in openMHA and the Auditory Modeling
Toolbox): there they are interpolated.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from hearsim.core.units import Curve
from hearsim.dsp.bands import AUDIOMETRIC_HZ

Rule = Literal["none", "nal-r", "nal-rp"]
Thresholds = Callable[[tuple[float, ...]], Curve]

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


def insertion_gain_db(rule: Rule, thresholds: Thresholds) -> Curve:
    """Return the insertion gain in dB at `AUDIOMETRIC_HZ` for speech at 65 dB SPL, floored at 0.

    `thresholds` gives dB HL at frequencies in Hz (`Audiogram.at`). An ear without loss gets no gain.
    The row for profound losses is that of the highest tabled 2 kHz threshold reached (95, 100, .. 120 dB HL).
    """
    hl = thresholds(AUDIOMETRIC_HZ)
    if rule == "none" or np.all(hl <= 0):
        return np.zeros(len(AUDIOMETRIC_HZ))
    h500, h1k, h2k = thresholds((500.0, 1000.0, 2000.0))
    mean = (h500 + h1k + h2k) / 3
    gain = 0.31 * hl + 0.15 * mean + _K_DB
    if rule == "nal-rp":
        gain = gain + 0.2 * max(0.0, mean - 60.0)
        if h2k >= _PROFOUND_H2K[0]:
            row = int(np.searchsorted(_PROFOUND_H2K, h2k, side="right")) - 1
            gain = gain + np.interp(np.log(AUDIOMETRIC_HZ), np.log(_PROFOUND_HZ), _PROFOUND_DB[row])
    floored: Curve = np.maximum(gain, 0.0)
    return floored
