"""Training examples, mixed from tracks: each from a seed alone, so that a run can be resumed exactly."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
import soxr
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat
from scipy import signal
from torch import Tensor

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, db_to_gain
from hearsim.music.tracks import Track, fits
from hearsim.separation.net import STEMS


def _lower_first(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("give the lower limit first")
    return limits


Chance = Annotated[float, Field(ge=0, le=1)]
Limits = Annotated[tuple[float, float], AfterValidator(_lower_first)]
Factors = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_lower_first)]


class Augmentation(BaseModel):
    """Chances and sizes of changes; by default all but `other_voice`, and `stretch`, which takes time and a package."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    whole_songs: Chance = 0.5  # share of examples whose stems belong together; else each comes from any track
    other_voice: Chance = 0.0  # chance of a whole song being sung by a voice of any track
    gain_db: Limits = (-8.0, 4.0)  # of each stem
    level_db: Limits = (-10.0, 4.0)  # of the whole mixture
    polarity: Chance = 0.5  # chance of a stem being turned upside down
    mute: Chance = 0.1  # chance of a stem being left out
    swap: Chance = 0.5  # chance of left and right changing places
    speed: Chance = 0.3  # chance of a stem (or a whole song) being played faster or slower, and so higher or lower
    speed_range: Factors = (0.85, 1.18)
    stretch: Chance = 0.0  # chance of its pitch and its tempo being changed each for itself
    stretch_semitones: NonNegativeFloat = 2.0  # the most up or down
    stretch_range: Factors = (0.88, 1.14)  # of the tempo
    equalize: Chance = 0.3  # chance of a stem to pass a random curve of up to four slopes
    equalize_db: NonNegativeFloat = 6.0  # the most it raises or lowers
    reverberate: Chance = 0.15  # chance of a stem to get a tail of decaying noise, -20 .. -8 dB under it
    low_pass: Chance = 0.1  # chance of the whole example being cut off at 6 .. 16 kHz


OFF = Augmentation(
    whole_songs=1, gain_db=(0, 0), level_db=(0, 0), polarity=0, mute=0, swap=0, speed=0, equalize=0, reverberate=0,
    low_pass=0,
)  # fmt: skip
"""Songs as they are."""


class PitchTempo(NamedTuple):
    """A change of speed (pitch and tempo together), and one of pitch and of tempo."""

    speed: float = 1.0
    semitones: float = 0.0
    tempo: float = 1.0

    def frames(self, frames: int) -> int:
        """Return how many samples become `frames`, and a few more."""
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
    """Change pitch and tempo independently, by Signalsmith Stretch; raises `HearsimError` where it is missing."""
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
    """The effects on a stem: gain, mute, equalizer and reverberation; None for one that is off."""

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
    """Cut (..., frames) off above a corner, by 48 dB an octave; a corner above half the rate does nothing."""
    if corner_hz >= rate / 2:
        return stems
    sections = signal.butter(8, corner_hz, fs=rate, output="sos")
    cut: FloatArray = signal.sosfilt(sections, stems).astype(np.float32)
    return cut


ACTIVE = 0.02
"""A place where some sample of a second, of every 64th, is louder than this (-34 dBFS) is one where a stem plays."""

Pool = tuple[list[Track], npt.NDArray[np.float64]]
"""Tracks, and how likely each is drawn."""


def _pool(tracks: list[Track], weights: dict[str, float], what: str) -> Pool:
    """Return tracks with their chances: length times weight (by name; 1 where there is none)."""
    chances = np.array([track.frames * weights.get(track.name, 1.0) for track in tracks])
    if chances.sum() <= 0:
        raise HearsimError(f"no track to train on {what}: add some, or look at held_out, left_out and weights")
    return tracks, chances / chances.sum()


class Mixer:
    """Makes examples of `frames` samples; raises `HearsimError` where a stem, or a whole song, can't be had."""

    def __init__(
        self, tracks: list[Track], frames: int, augmentation: Augmentation, weights: dict[str, float], rate: int
    ) -> None:
        self.frames, self.augmentation, self.rate = frames, augmentation, rate
        names = [track.name for track in tracks]
        weights = {name: weight for pattern, weight in weights.items() for name in fits(names, pattern)}
        mixed = STEMS if augmentation.whole_songs < 1 else ("vocals",) if augmentation.other_voice > 0 else ()
        self._pools = {s: _pool([t for t in tracks if s in t.stems], weights, f"has {s}") for s in mixed}
        if augmentation.whole_songs > 0:
            songs = [t for t in tracks if len(t.stems) >= 3]
            self._songs = _pool(
                songs, weights, "is a song of three stems or more (augmentation.whole_songs = 0 needs none)"
            )

    def _start(self, track: Track, stem: str | None, needed: int, rng: np.random.Generator) -> int:
        """Return where to begin; after a few tries, where the stem plays."""
        last = max(1, track.frames - needed)
        starts = rng.integers(0, last, 4)
        if stem is not None:
            for start in starts:
                if track.peak(stem, int(start), self.rate, 64) > ACTIVE:
                    return int(start)
        return int(starts[-1])

    def example(self, rng: np.random.Generator) -> FloatArray:
        """Return stems (stems, channels, frames); their sum is the mixture."""
        chosen = self.augmentation
        common, *own = rng.spawn(1 + len(STEMS))
        whole, swapped, cut = (
            common.random() < chance for chance in (chosen.whole_songs, chosen.swap, chosen.low_pass)
        )
        level = np.float32(db_to_gain(common.uniform(*chosen.level_db)))
        corner_hz = common.uniform(6000, 16000)
        stems = np.zeros((len(STEMS), 2, self.frames), np.float32)
        song = self._source(self._songs, None, common) if whole else None
        for index, (stem, generator) in enumerate(zip(STEMS, own, strict=True)):
            effects = draw_effects(chosen, generator)
            source = song
            if source is None or (stem == "vocals" and generator.random() < chosen.other_voice):
                source = self._source(self._pools[stem], stem, generator)
            track, change, start = source
            if effects.muted or stem not in track.stems:
                continue
            samples = track.read(stem, start, change.frames(self.frames))
            piece = change_pitch_tempo(samples, self.rate, change)[:, : self.frames]
            stems[index, :, : piece.shape[1]] = level * apply_effects(piece, self.rate, effects)
        if swapped:
            stems = stems[:, ::-1]
        if cut:
            stems = low_pass(stems, self.rate, corner_hz)
        return np.ascontiguousarray(stems)

    def _source(self, pool: Pool, stem: str | None, rng: np.random.Generator) -> tuple[Track, PitchTempo, int]:
        """Return a track, its change of pitch and tempo, and the first sample."""
        track, change = self._draw(pool, rng), draw_pitch_tempo(self.augmentation, rng)
        return track, change, self._start(track, stem, change.frames(self.frames), rng)

    @staticmethod
    def _draw(pool: Pool, rng: np.random.Generator) -> Track:
        tracks, chances = pool
        return tracks[int(rng.choice(len(tracks), p=chances))]


class StatefulBatches:
    """Batches whose rows go through long examples piece by piece, so that the network's state is carried over steps.

    Rows begin their examples at different steps. All is determined by seed, step and row, so that several processes
    can share the rows of a batch.

    Parameters
    ----------
    mixer : makes the examples.
    rows : the rows of the batch that this process makes.
    batch_size : rows of the whole batch.
    pieces : steps that an example lasts.
    context : samples before each piece, for the first window: window - hop.
    seed : of the examples.
    reset : chance that the state is zero as an example begins; else it is kept, as in an aid from song to song, so
        that the network learns states that only hours of streaming reach.
    """

    def __init__(
        self, mixer: Mixer, rows: range, batch_size: int, pieces: int, context: int, seed: int, reset: float = 1.0
    ) -> None:
        if mixer.frames % pieces:
            raise ValueError(f"{mixer.frames} samples are not {pieces} equal pieces")
        self._mixer, self._rows, self._batch_size, self._pieces, self._context = (
            mixer,
            rows,
            batch_size,
            pieces,
            context,
        )
        self._seed, self._frames, self._reset = seed, mixer.frames // pieces, reset
        self._examples: dict[int, tuple[int, FloatArray]] = {}  # row: number of its example, the example

    def batch(self, step: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return stems (rows, stems, channels, context + piece), and which rows start from the zero state.

        The first `context` samples precede the piece; they are zeros at the beginning of an example.
        """
        out = np.zeros((len(self._rows), len(STEMS), 2, self._context + self._frames), np.float32)
        starts_silent = np.zeros(len(self._rows), np.bool_)
        for index, row in enumerate(self._rows):
            number, piece = divmod(step + row * self._pieces // self._batch_size, self._pieces)
            if self._examples.get(row, (-1, None))[0] != number:
                rng = np.random.default_rng((self._seed, number, row))
                self._examples[row] = number, self._mixer.example(rng)
            draw = np.random.default_rng((self._seed, number, row, 1)).random()
            starts_silent[index] = piece == 0 and draw < self._reset
            begin = piece * self._frames - self._context
            part = self._examples[row][1][..., max(0, begin) : (piece + 1) * self._frames]
            out[index, ..., -part.shape[-1] :] = part
        return out, starts_silent


Batch = tuple[Tensor, Tensor]
"""Stems (batch, stems, channels, context + frames); 1 for each row whose state continues, 0 for one reset to zero."""


def batches(stateful: StatefulBatches, first: int, last: int) -> Iterator[Batch]:
    """Yield the batches of the steps first .. last - 1; a thread prepares the next one during each step."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(stateful.batch, first)
        for step in range(first, last):
            stems, starts_silent = coming.result()
            if step + 1 < last:
                coming = pool.submit(stateful.batch, step + 1)
            yield torch.from_numpy(stems), torch.from_numpy(~starts_silent).float()
