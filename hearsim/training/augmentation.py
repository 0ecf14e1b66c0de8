"""Changes of training examples, each drawn by chance: pitch, tempo, level, equalizer, room, and those of a mix bus.

A bus works on the mixture, and its gain from sample to sample is applied to every stem, so that they still sum to it.
"""

from typing import Annotated, NamedTuple

import numpy as np
import soxr
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat
from scipy import signal

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, db_to_gain


def _lower_first(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("give the lower limit first")
    return limits


Chance = Annotated[float, Field(ge=0, le=1)]
Limits = Annotated[tuple[float, float], AfterValidator(_lower_first)]
Factors = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_lower_first)]


class Augmentation(BaseModel):
    """Chances and sizes of changes; those of 0 are off by default: `stretch` takes time and a package."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    whole_songs: Chance = 0.5  # share of examples whose stems belong together; else each comes from any track
    other_voice: Chance = 0.0  # chance of vocals from another track in a whole song
    gain_db: Limits = (-8.0, 4.0)  # of each stem
    level_db: Limits = (-10.0, 4.0)  # of the whole mixture
    polarity: Chance = 0.5  # chance of inverting a stem's polarity
    mute: Chance = 0.1  # chance of muting a stem
    swap: Chance = 0.5  # chance of swapping left and right
    speed: Chance = 0.3  # chance of changing the speed, and so the pitch, of a stem (or a whole song)
    speed_range: Factors = (0.85, 1.18)
    stretch: Chance = 0.0  # chance of changing pitch and tempo independently
    stretch_semitones: NonNegativeFloat = 2.0  # greatest change, up or down
    stretch_range: Factors = (0.88, 1.14)  # of the tempo
    equalize: Chance = 0.3  # chance of filtering a stem by a random curve of up to four slopes
    equalize_db: NonNegativeFloat = 6.0  # greatest boost or cut
    reverberate: Chance = 0.15  # chance of adding a tail of decaying noise to a stem, at -20 .. -8 dB
    low_pass: Chance = 0.1  # chance of low-passing the whole example at 6 .. 16 kHz
    compress: Chance = 0.0  # chance of compressing the mixture, 2:1 to 6:1 above a threshold near its level
    saturate: Chance = 0.0  # chance of saturating the mixture, peaks 0 to 12 dB over the knee
    mono: Chance = 0.0  # chance of both channels alike


OFF = Augmentation(
    whole_songs=1, gain_db=(0, 0), level_db=(0, 0), polarity=0, mute=0, swap=0, speed=0, equalize=0, reverberate=0,
    low_pass=0, compress=0, saturate=0, mono=0,
)  # fmt: skip
"""Unchanged songs."""


class PitchTempo(NamedTuple):
    """A change of speed (pitch and tempo together), and one of pitch and of tempo."""

    speed: float = 1.0
    semitones: float = 0.0
    tempo: float = 1.0

    def frames(self, frames: int) -> int:
        """Return the number of input samples for `frames` output samples, with a margin."""
        return int(np.ceil(frames * self.speed * self.tempo)) + 64


def draw_pitch_tempo(chosen: Augmentation, rng: np.random.Generator) -> PitchTempo:
    """Draw a change of speed, and one of pitch and tempo."""
    faster, stretched = rng.random() < chosen.speed, rng.random() < chosen.stretch
    speed = float(rng.uniform(*chosen.speed_range))
    semitones = float(rng.uniform(-chosen.stretch_semitones, chosen.stretch_semitones))
    tempo = float(rng.uniform(*chosen.stretch_range))
    return PitchTempo(speed if faster else 1.0, *((semitones, tempo) if stretched else (0.0, 1.0)))


def change_pitch_tempo(samples: FloatArray, rate: int, change: PitchTempo) -> FloatArray:
    """Return samples (channels, frames) at another pitch and tempo; their number changes with the tempo."""
    if change.semitones != 0.0 or change.tempo != 1.0:
        samples = stretch(samples, rate, change.semitones, change.tempo)
    if change.speed != 1.0:
        samples = soxr.resample(samples.T, change.speed * rate, rate, quality="LQ").T
    return samples


def stretch(samples: FloatArray, rate: int, semitones: float, tempo: float) -> FloatArray:
    """Change pitch and tempo independently, by Signalsmith Stretch; raises `HearsimError` if it is not installed."""
    try:
        from python_stretch import Signalsmith
    except ImportError:
        raise HearsimError(
            "augmentation.stretch needs a package: pip install 'hearsim[augment]', or set it to 0"
        ) from None
    stretcher = Signalsmith.Stretch()
    stretcher.preset(len(samples), rate)
    stretcher.setTransposeSemitones(semitones)
    stretcher.timeFactor = tempo
    return np.asarray(stretcher.process(np.ascontiguousarray(samples)), np.float32)


class StemEffects(NamedTuple):
    """The effects on a stem: gain, mute, equalizer and reverberation; None for a disabled one."""

    gain: float
    muted: bool
    curve: tuple[FloatArray, FloatArray] | None  # corners in Hz, gains in dB
    room: tuple[float, float, int] | None  # seconds, level in dB, seed of the noise


def draw_effects(chosen: Augmentation, rng: np.random.Generator) -> StemEffects:
    """Draw gain and polarity, mute, an equalizer curve and a room."""
    gain = float(db_to_gain(rng.uniform(*chosen.gain_db)))
    flipped, muted, curved, wet = (
        rng.random() < chance for chance in (chosen.polarity, chosen.mute, chosen.equalize, chosen.reverberate)
    )
    corners_hz = np.exp(rng.uniform(np.log([80, 400, 3000]), np.log([400, 3000, 10000]))).astype(np.float32)
    gains_db = rng.uniform(-chosen.equalize_db, chosen.equalize_db, 3).astype(np.float32)
    room = float(rng.uniform(0.1, 0.6)), float(rng.uniform(-20, -8)), int(rng.integers(2**31))
    return StemEffects(
        -gain if flipped else gain, muted, (corners_hz, gains_db) if curved else None, room if wet else None
    )


def apply_effects(samples: FloatArray, rate: int, effects: StemEffects) -> FloatArray:
    """Return a stem (channels, frames) with gain, equalizer and reverberation."""
    samples = samples * np.float32(effects.gain)
    if effects.curve is not None:
        samples = equalize(samples, rate, *effects.curve)
    if effects.room is not None:
        samples = reverberate(samples, rate, *effects.room)
    return samples


def equalize(samples: FloatArray, rate: int, corners_hz: FloatArray, gains_db: FloatArray) -> FloatArray:
    """Filter by gains at corner frequencies, straight lines between them, without delay (linear phase)."""
    inside = corners_hz < rate / 2
    frequencies = np.array([0, *corners_hz[inside], rate / 2])
    curve_db = np.interp(frequencies, corners_hz, gains_db)
    taps = signal.firwin2(511, frequencies, 10 ** (curve_db / 20), fs=rate)
    return signal.oaconvolve(samples, taps[None].astype(np.float32), mode="same", axes=1).astype(np.float32)


def reverberate(samples: FloatArray, rate: int, seconds: float, level_db: float, seed: int) -> FloatArray:
    """Add noise that decays by 60 dB in `seconds`, other noise on each channel, at a level under the dry sound."""
    frames = int(seconds * rate)
    tail = np.random.default_rng(seed).standard_normal((len(samples), frames), np.float32)
    tail *= np.exp(-6.9 * np.arange(frames, dtype=np.float32) / frames)
    tail *= db_to_gain(level_db) / np.sqrt(np.square(tail).sum(1, keepdims=True))
    wet = signal.oaconvolve(samples, tail.astype(np.float32), axes=1)[:, : samples.shape[1]]
    return samples + wet.astype(np.float32)


def low_pass(stems: FloatArray, rate: int, corner_hz: float) -> FloatArray:
    """Cut (..., frames) off above a corner, by 48 dB an octave; a corner above half the rate has no effect."""
    if corner_hz >= rate / 2:
        return stems
    sections = signal.butter(8, corner_hz, fs=rate, output="sos")
    cut: FloatArray = signal.sosfilt(sections, stems).astype(np.float32)
    return cut


class Bus(NamedTuple):
    """The changes of a mixture; None for a disabled one."""

    compression: tuple[float, float, float] | None  # ratio, threshold in dB re the mixture's level, seconds
    drive_db: float | None  # of the saturation: the peak over the knee
    mono: bool


def draw_bus(chosen: Augmentation, rng: np.random.Generator) -> Bus:
    """Draw compression, saturation and mono."""
    compressed, saturated, mono = (rng.random() < chance for chance in (chosen.compress, chosen.saturate, chosen.mono))
    compression = float(rng.uniform(2, 6)), float(rng.uniform(-6, 3)), float(np.exp(rng.uniform(-4.5, -1.5)))
    drive_db = float(rng.uniform(0, 12))
    return Bus(compression if compressed else None, drive_db if saturated else None, mono)


def apply_bus(stems: FloatArray, rate: int, bus: Bus) -> FloatArray:
    """Return stems (stems, channels, frames) whose sum is that of `stems` after the bus."""
    if bus.mono:
        stems = np.repeat(stems.mean(1, keepdims=True), stems.shape[1], axis=1)
    if bus.compression is not None:
        stems = stems * compressor_gain(stems.sum(0), rate, *bus.compression)
    if bus.drive_db is not None:
        stems = stems * saturation_gain(stems.sum(0), bus.drive_db)
    return stems


def compressor_gain(mix: FloatArray, rate: int, ratio: float, threshold_db: float, seconds: float) -> FloatArray:
    """Return the gain (frames,) of a compressor that follows the power of (channels, frames) with one time constant.

    The threshold is relative to the mean power; above it the level rises by 1 dB for `ratio` dB.
    """
    power = np.square(mix).mean(0, dtype=np.float64)
    if not power.any():
        return np.ones(mix.shape[-1], np.float32)
    keep = float(np.exp(-1 / (rate * seconds)))
    followed = signal.lfilter([1 - keep], [1, -keep], power, zi=[keep * power.mean()])[0]
    over_db = 10 * np.log10(followed / power.mean() + 1e-12) - threshold_db
    gain_db = np.maximum(over_db, 0.0) * (1 / ratio - 1)
    return np.asarray(10 ** (gain_db / 20), np.float32)


def saturation_gain(mix: FloatArray, drive_db: float) -> FloatArray:
    """Return the gain of each sample of (channels, frames) under tanh, whose knee is `drive_db` below the peak."""
    driven = mix * (db_to_gain(drive_db) / max(float(np.abs(mix).max()), 1e-6))
    small = np.abs(driven) < 1e-3
    return np.where(small, 1.0, np.tanh(driven) / np.where(small, 1.0, driven)).astype(np.float32)
