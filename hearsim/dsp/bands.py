"""The nine bands of the aid, and the long-term speech levels in them."""

import math
from itertools import pairwise

import numpy as np

from hearsim.core.units import Curve

AUDIOMETRIC_HZ = (250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0)

_OUTER_HZ = (125.0, 9000.0)
BAND_EDGES_HZ = (
    _OUTER_HZ[0],
    *(math.sqrt(low * high) for low, high in pairwise(AUDIOMETRIC_HZ)),
    _OUTER_HZ[1],
)

THIRD_OCTAVES_HZ = tuple(1000.0 * 2.0 ** (n / 3) for n in range(-12, 13))  # 63 Hz .. 16 kHz, IEC 61260 base 2
NOMINAL_THIRD_OCTAVES_HZ = (  # the names of those bands, IEC 61260-1 annex E: to be shown, not to be computed with
    *(63.0, 80.0, 100.0, 125.0, 160.0, 200.0, 250.0, 315.0, 400.0, 500.0, 630.0, 800.0, 1000.0, 1250.0, 1600.0),
    *(2000.0, 2500.0, 3150.0, 4000.0, 5000.0, 6300.0, 8000.0, 10000.0, 12500.0, 16000.0),
)

# Byrne et al. 1994, JASA 96:2108: long-term average speech spectrum, 1/3 octaves, overall 70 dB SPL
LTASS_70_DB_SPL = (
    *(38.6, 43.5, 54.4, 57.7, 56.8, 60.2, 60.3, 59.0, 62.1, 62.1, 60.5, 56.8, 53.7),
    *(53.0, 52.0, 48.7, 48.1, 46.8, 45.6, 44.5, 44.3, 43.7, 43.4, 41.3, 40.7),
)


def speech_band_levels(overall_db_spl: float) -> Curve:
    """Return the level in dB SPL of average speech in each of the nine bands.

    Sums the 1/3-octave powers of Byrne et al. 1994; a 1/3 octave cut by a band edge counts by its share in octaves.
    """
    power = 10 ** (0.1 * (np.array(LTASS_70_DB_SPL) - 70.0 + overall_db_spl))
    low = np.log2(THIRD_OCTAVES_HZ) - 1 / 6
    edges = np.log2(BAND_EDGES_HZ)
    shares = 3 * np.clip(
        np.minimum(low + 1 / 3, edges[1:, None]) - np.maximum(low, edges[:-1, None]), 0, None
    )  # (bands, third octaves)
    levels: Curve = 10 * np.log10(shares @ power)
    return levels


def analysis_sections(rate_hz: int) -> Curve:
    """Return the band-passes of the level detectors: (bands, 2 sections, 5) as b0 b1 b2 a1 a2.

    Butterworth, two sections a band, -3 dB at the band edges.
    """
    from scipy import signal

    sections = []
    for low, high in pairwise(BAND_EDGES_HZ):
        sos = signal.butter(2, (low, min(high, 0.45 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
        sections.append(np.delete(sos, 3, axis=1))
    return np.array(sections)
