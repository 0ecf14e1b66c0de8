"""The voice of the demo song: a band-limited glottal source with vibrato, formants that move, bursts as consonants.

Source: Peterson & Barney 1952, JASA 24:175; Klatt 1980, JASA 67:971.
"""

import numpy as np
from scipy import signal

from hearsim.core.units import Curve

# first three formants (Hz) of a woman's vowels, Peterson & Barney 1952, table II
FORMANTS_HZ = {
    "a": (850.0, 1220.0, 2810.0),
    "e": (610.0, 2330.0, 2990.0),
    "i": (310.0, 2790.0, 3310.0),
    "o": (590.0, 920.0, 2710.0),
    "u": (370.0, 950.0, 2670.0),
}
_BANDWIDTHS_HZ = (90.0, 110.0, 170.0)


def glide(line: Curve, seconds: float, rate: int) -> Curve:
    """Smooth steps into glides: a one-pole low-pass, started in its steady state."""
    keep = np.exp(-1 / (seconds * rate))
    smooth, _ = signal.lfilter([1 - keep], [1, -keep], line, zi=[keep * line[0]])
    return np.asarray(smooth)


def glottis(hz: Curve, rate: int, rng: np.random.Generator) -> Curve:
    """Return a glottal source: harmonics at -12 dB an octave up to 12 kHz, with vibrato and breath."""
    t = np.arange(hz.size) / rate
    vibrato = 1 + 0.008 * np.sin(2 * np.pi * 5.4 * t)
    phase = 2 * np.pi * np.cumsum(hz * vibrato) / rate
    source, turn = np.zeros(hz.size), np.exp(1j * phase)
    harmonic = turn.copy()
    for n in range(1, 41):
        source += np.where(n * hz < 12000, harmonic.imag, 0.0) / n**1.3
        harmonic *= turn
    return source + 0.01 * rng.standard_normal(hz.size)


def formants(source: Curve, tracks: dict[int, Curve], rate: int) -> Curve:
    """Filter through three resonances in parallel whose frequencies move every 128 samples (Klatt 1980)."""
    out = np.zeros(source.size)
    for k, weight in enumerate((1.0, 0.7, 0.45)):
        radius = np.exp(-np.pi * _BANDWIDTHS_HZ[k] / rate)
        state = np.zeros(2)
        for start in range(0, source.size, 128):
            angle = 2 * np.pi * tracks[k][start] / rate
            a = [1.0, -2 * radius * np.cos(angle), radius**2]
            part, state = signal.lfilter([1 - radius, 0, -(1 - radius)], a, source[start : start + 128], zi=state)
            out[start : start + 128] += weight * (-1) ** k * part
    return out


def consonant(rate: int, rng: np.random.Generator) -> Curve:
    """Return an s-, sh- or t-like burst of noise."""
    low, high, seconds = ((5000, 11000, 0.09), (2300, 7000, 0.08), (3000, 9000, 0.025))[int(rng.integers(3))]
    sos = signal.butter(2, (low, high), "bandpass", fs=rate, output="sos")
    length = round(seconds * rate)
    shape = np.hanning(length) if seconds > 0.03 else np.exp(-np.arange(length) / (0.008 * rate))
    burst: Curve = signal.sosfilt(sos, rng.standard_normal(length)) * shape
    return burst
