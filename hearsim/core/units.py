"""Units: decibels, pascals and dB SPL, milliseconds and samples. Everything else builds on these."""

import math

import numpy as np
import numpy.typing as npt

REFERENCE_PA = 20e-6
"""0 dB SPL, ISO 1683."""

FloatArray = npt.NDArray[np.float32]
"""Samples, float32, axes (stems?, channels, frames)."""

Curve = npt.NDArray[np.float64]
"""Derived numbers (gains, levels, thresholds), float64."""


def db_to_gain(db: float) -> float:
    """Return the amplitude factor of a level difference in dB.

    >>> db_to_gain(-20.0)
    0.1
    """
    return float(10.0 ** (db / 20.0))


def gain_to_db(gain: float) -> float:
    """Return the level difference in dB of an amplitude factor; -inf for 0.

    >>> gain_to_db(10.0)
    20.0
    """
    return 20.0 * math.log10(gain) if gain > 0.0 else -math.inf


def frequency_label(hz: float) -> str:
    """Return a frequency as the label of an axis, without its unit.

    >>> frequency_label(62.5), frequency_label(16000)
    ('63', '16k')
    """
    return f"{hz / 1000:g}k" if hz >= 1000 else str(math.floor(hz + 0.5))


def spl_to_pascal(db_spl: float) -> float:
    """Return the RMS pressure in pascals of a level in dB SPL.

    >>> spl_to_pascal(100.0)
    2.0
    """
    return REFERENCE_PA * db_to_gain(db_spl)


def pascal_to_spl(pressure_pa: float) -> float:
    """Return the level in dB SPL of an RMS pressure in pascals; -inf for 0.

    >>> round(pascal_to_spl(1.0), 2)
    93.98
    """
    return gain_to_db(pressure_pa / REFERENCE_PA)


def ms_to_samples(ms: float, rate_hz: int) -> int:
    """Return the number of samples nearest to a time in milliseconds.

    >>> ms_to_samples(1.0, 44100)
    44
    """
    return round(ms * 1e-3 * rate_hz)


def samples_to_ms(samples: float, rate_hz: int) -> float:
    """Return a number of samples as a time in milliseconds.

    >>> samples_to_ms(441, 44100)
    10.0
    """
    return 1e3 * samples / rate_hz


def counted(count: int, noun: str) -> str:
    """Return a count and its noun, in the plural where it needs one; a dotted key has none.

    >>> counted(1, "listener"), counted(2, "mix"), counted(3, "aid.compression.ratio")
    ('1 listener', '2 mixes', '3 aid.compression.ratio')
    """
    ending = "" if count == 1 or "." in noun else "es" if noun.endswith("x") else "s"
    return f"{count} {noun}{ending}"
