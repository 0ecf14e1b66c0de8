"""Training examples, mixed from tracks: each determined by a seed, so that a run can be resumed exactly."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, db_to_gain
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.music.tracks import Track, fits
from hearsim.separation.net import STEMS
from hearsim.training.augmentation import (
    Augmentation,
    PitchTempo,
    apply_bus,
    apply_effects,
    change_pitch_tempo,
    draw_bus,
    draw_effects,
    draw_pitch_tempo,
    low_pass,
)

ACTIVE = 0.02
"""A stem plays where the peak of every 64th sample of a second is over this (-34 dBFS)."""

Pool = tuple[list[Track], npt.NDArray[np.float64]]
"""Tracks and their probabilities."""


def _pool(tracks: list[Track], weights: dict[str, float], requirement: str) -> Pool:
    """Return tracks with their chances: length times weight (by name; default 1)."""
    chances = np.array([track.frames * weights.get(track.name, 1.0) for track in tracks])
    if chances.sum() <= 0:
        raise HearsimError(f"no track to train on {requirement}: add some, or look at held_out, left_out and weights")
    return tracks, chances / chances.sum()


def _by_name(patterns: dict[str, float], names: list[str]) -> dict[str, float]:
    """Return the values of names; the last pattern that fits one counts."""
    return {name: value for pattern, value in patterns.items() for name in fits(names, pattern)}


class Mixer:
    """Makes examples of `frames` samples; raises `HearsimError` where no track has a stem, or enough stems.

    `weights` and `limits_hz` are by pattern of track names: how often a track is drawn, times its length, and the
    frequency up to which its vocals are known.
    """

    def __init__(
        self,
        tracks: list[Track],
        frames: int,
        augmentation: Augmentation,
        weights: dict[str, float],
        rate: int,
        limits_hz: dict[str, float] | None = None,
    ) -> None:
        self.frames, self.augmentation, self.rate = frames, augmentation, rate
        names = [track.name for track in tracks]
        weights, self._limits_hz = _by_name(weights, names), _by_name(limits_hz or {}, names)
        mixed = STEMS if augmentation.whole_songs < 1 else ("vocals",) if augmentation.other_voice > 0 else ()
        known = [t for t in tracks if t.name not in self._limits_hz]
        self._pools = {s: _pool([t for t in known if s in t.stems], weights, f"has {s}") for s in mixed}
        if augmentation.whole_songs > 0:
            songs = [t for t in tracks if len(t.stems) >= 3 or ACCOMPANIMENT in t.stems]
            self._songs = _pool(
                songs,
                weights,
                "is a song of three stems or more, or of vocals and accompaniment (augmentation.whole_songs = 0 needs "
                "none)",
            )

    def _start(self, track: Track, stem: str | None, needed: int, rng: np.random.Generator) -> int:
        """Return a start position where the stem plays, if a few tries find one."""
        last = max(1, track.frames - needed)
        starts = rng.integers(0, last, 4)
        if stem is not None:
            for start in starts:
                if track.peak(stem, int(start), self.rate, 64) > ACTIVE:
                    return int(start)
        return int(starts[-1])

    def example(self, rng: np.random.Generator) -> tuple[FloatArray, bool]:
        """Return stems (stems, channels, frames), whose sum is the mixture, and whether all are known.

        Where they are not, the last one is the accompaniment: the sum of all but the vocals.
        """
        chosen = self.augmentation
        common, *own, bus = rng.spawn(2 + len(STEMS))
        whole, swapped, cut = (
            common.random() < chance for chance in (chosen.whole_songs, chosen.swap, chosen.low_pass)
        )
        level = np.float32(db_to_gain(common.uniform(*chosen.level_db)))
        corner_hz = common.uniform(6000, 16000)
        stems = np.zeros((len(STEMS), 2, self.frames), np.float32)
        song = self._source(self._songs, None, common) if whole else None
        known = song is None or ACCOMPANIMENT not in song[0].stems
        for index, (stem, generator) in enumerate(zip(STEMS, own, strict=True)):
            effects = draw_effects(chosen, generator)
            source = song
            if source is None or (stem == "vocals" and generator.random() < chosen.other_voice):
                source = self._source(self._pools[stem], stem, generator)
            track, change, start = source
            name = ACCOMPANIMENT if not known and index == len(STEMS) - 1 else stem
            if effects.muted or name not in track.stems:
                continue
            samples = track.read(name, start, change.frames(self.frames))
            piece = change_pitch_tempo(samples, self.rate, change)[:, : self.frames]
            stems[index, :, : piece.shape[1]] = level * apply_effects(piece, self.rate, effects)
        if swapped:
            stems = stems[:, ::-1]
        if cut:
            stems = low_pass(stems, self.rate, corner_hz)
        if song is not None and song[0].name in self._limits_hz:
            stems = low_pass(stems, self.rate, self._limits_hz[song[0].name])
        stems = apply_bus(stems, self.rate, draw_bus(chosen, bus))
        return np.ascontiguousarray(stems), known

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
    reset : chance that the state is zero as an example begins; else it continues, as in an aid from song to song, so
        that the network learns states that need hours of streaming.
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
        self._examples: dict[int, tuple[int, FloatArray, bool]] = {}  # row: number of its example, and the example

    def batch(self, step: int) -> tuple[FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return stems (rows, stems, channels, context + piece), the rows that start from zero, those with all stems.

        The first `context` samples precede the piece; they are zeros at the beginning of an example.
        """
        out = np.zeros((len(self._rows), len(STEMS), 2, self._context + self._frames), np.float32)
        starts_silent, known = np.zeros((2, len(self._rows)), np.bool_)
        for index, row in enumerate(self._rows):
            number, piece = divmod(step + row * self._pieces // self._batch_size, self._pieces)
            if row not in self._examples or self._examples[row][0] != number:
                rng = np.random.default_rng((self._seed, number, row))
                self._examples[row] = number, *self._mixer.example(rng)
            draw = np.random.default_rng((self._seed, number, row, 1)).random()
            starts_silent[index] = piece == 0 and draw < self._reset
            begin = piece * self._frames - self._context
            _, example, known[index] = self._examples[row]
            part = example[..., max(0, begin) : (piece + 1) * self._frames]
            out[index, ..., -part.shape[-1] :] = part
        return out, starts_silent, known


Batch = tuple[Tensor, Tensor, Tensor]
"""Stems (batch, stems, channels, context + frames); for each row 1 where its state continues, 0 where it is reset to
zero; and whether all its stems are known, or the vocals and, as the last, their sum."""


def batches(stateful: StatefulBatches, first: int, last: int) -> Iterator[Batch]:
    """Yield the batches of the steps first .. last - 1; a thread prepares the next one during each step."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(stateful.batch, first)
        for step in range(first, last):
            stems, starts_silent, known = coming.result()
            if step + 1 < last:
                coming = pool.submit(stateful.batch, step + 1)
            yield torch.from_numpy(stems), torch.from_numpy(~starts_silent).float(), torch.from_numpy(known)
