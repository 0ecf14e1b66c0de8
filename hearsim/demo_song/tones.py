"""Band-limited sound sources: harmonic tones, filtered noise, and placing a sound on a track.

Every pitched sound of the demo song is a sum of harmonics that stop below half the sample rate, so nothing
can alias whatever the rate.
"""

import numpy as np
import numpy.typing as npt
from scipy import signal

from hearsim.units import Curve

Spectrum = npt.NDArray[np.complex128]
"""Complex amplitudes, axes (points, harmonics)."""

HOP = 128
"""Samples between two control points: 2.9 ms at 44.1 kHz, well under the 20 ms of a fast consonant."""

_CHUNK = 64  # hops computed together: 8192 complex samples stay in the cache


def top_frequency(rate: int) -> float:
    """Return the highest frequency in Hz that any source may contain: 17 kHz, or less at low rates."""
    return min(17000.0, 0.42 * rate)


def control_times(frames: int, rate: int) -> Curve:
    """Return the times in seconds of the control points of a sound; the last lies past its end."""
    return np.arange(-(-frames // HOP) + 1) * (HOP / rate)


def in_band(frequencies_hz: Curve, rate: int) -> Curve:
    """Return the weight of partials at these frequencies: 1, falling to 0 over the top third of an octave."""
    top = top_frequency(rate)
    fall = np.clip((top - frequencies_hz) / (0.2 * top), 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * fall))


def harmonics(phase: Curve, amplitudes: Spectrum) -> Curve:
    """Return the sum over k = 1..K of Re(a_k(t) exp(i k phase(t))), shape (frames,).

    `phase` (frames,) in radians; `amplitudes` (points, K) at `control_times`, joined by straight lines.
    """
    hops = amplitudes.shape[0] - 1
    turns = np.zeros(hops * HOP, np.complex128)
    turns[: phase.size] = np.exp(1j * phase)
    turns = turns.reshape(hops, HOP)
    ramp = np.arange(HOP) / HOP
    out = np.zeros((hops, HOP))
    for first in range(0, hops, _CHUNK):
        last = min(first + _CHUNK, hops)
        sounding = np.flatnonzero(np.any(amplitudes[first : last + 1] != 0.0, axis=0))
        if sounding.size == 0:
            continue
        power = np.ones((last - first, HOP), np.complex128)
        for k in range(sounding[-1] + 1):
            power *= turns[first:last]  # exp(i k phase) from its predecessor: a product is cheaper than a sine
            here = amplitudes[first : last + 1, k, np.newaxis]
            out[first:last] += (power * (here[:-1] + np.diff(here, axis=0) * ramp)).real
    return out.reshape(-1)[: phase.size]


def steady_tone(frequency_hz: float, amplitudes: Curve, frames: int, rate: int) -> Curve:
    """Return a tone of fixed pitch; `amplitudes` (points, K) of its sine harmonics, shape (frames,)."""
    frequencies = frequency_hz * np.arange(1, amplitudes.shape[1] + 1)
    phase = 2.0 * np.pi * frequency_hz / rate * np.arange(frames)
    return harmonics(phase, -1j * amplitudes * in_band(frequencies, rate))


def band_noise(rng: np.random.Generator, frames: int, low_hz: float, high_hz: float, rate: int) -> Curve:
    """Return Gaussian noise of unit power between two frequencies, shape (frames,)."""
    band = (low_hz, min(high_hz, top_frequency(rate)))
    sos = signal.butter(3, band, "bandpass", fs=rate, output="sos")
    share = (band[1] - band[0]) / (rate / 2)
    return np.asarray(signal.sosfilt(sos, rng.standard_normal(frames))) / np.sqrt(share)


def gate(times: Curve, start: float, end: float, attack: float, release: float) -> Curve:
    """Return an envelope that is 1 from `start + attack` to `end - release`, 0 outside, with cosine edges."""
    edge = np.clip(np.minimum((times - start) / attack, (end - times) / release), 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * edge))


def add(track: Curve, sound: Curve, start_s: float, rate: int) -> None:
    """Add a sound (..., n) to a track (..., frames) in place, cut where the track begins or ends."""
    at = round(start_s * rate)
    skip, end = max(0, -at), min(at + sound.shape[-1], track.shape[-1])
    if end > at + skip:
        track[..., at + skip : end] += sound[..., skip : end - at]


def pan(sound: Curve, position: float) -> Curve:
    """Return a mono sound on two channels with constant power; position -1 is left, 0 centre, 1 right."""
    angle = (position + 1.0) * np.pi / 4.0
    return np.stack([np.cos(angle) * sound, np.sin(angle) * sound])


def midi_to_hz(pitch: float) -> float:
    """Return the frequency of a MIDI note number, A4 = 69 = 440 Hz (ISO 16)."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))
