"""Training examples, mixed from tracks: each from a seed alone, so that a run can be resumed exactly."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hearsim.errors import HearsimError
from hearsim.separation.net import STEMS
from hearsim.training.augment import Augmentation, Playing, colour, draw_colour, draw_playing, low_pass, play
from hearsim.training.data import Track
from hearsim.units import FloatArray, db_to_gain

ACTIVE = 655
"""A place where some sample of a second, of every 64th, is louder than this (-34 dBFS) is one where a stem plays."""

Pool = tuple[list[Track], npt.NDArray[np.float64]]
"""Tracks, and how likely each is drawn."""


def _pool(tracks: list[Track], weights: dict[str, float], what: str) -> Pool:
    """Return tracks with their chances: length times the weight of the last pattern that fits the name."""
    chances = np.array(
        [t.frames * ([w for pattern, w in weights.items() if t.fits([pattern])] or [1.0])[-1] for t in tracks]
    )
    if chances.sum() <= 0:
        raise HearsimError(f"no track to train on {what}: add some, or look at held_out, left_out and weights")
    return tracks, chances / chances.sum()


class Mixer:
    """Makes examples of `frames` samples; raises `HearsimError` where a stem, or a whole song, can't be had."""

    def __init__(
        self, tracks: list[Track], frames: int, augmentation: Augmentation, weights: dict[str, float], rate: int
    ) -> None:
        self.frames, self.augmentation, self.rate = frames, augmentation, rate
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
                if np.abs(track.stems[stem][start : start + self.rate : 64]).max(initial=0) > ACTIVE:
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
            changes = draw_colour(chosen, generator)
            source = song
            if source is None or (stem == "vocals" and generator.random() < chosen.other_voice):
                source = self._source(self._pools[stem], stem, generator)
            track, playing, start = source
            if changes.muted or stem not in track.stems:
                continue
            piece = play(track.read(stem, start, playing.frames(self.frames)), self.rate, playing)[:, : self.frames]
            stems[index, :, : piece.shape[1]] = level * colour(piece, self.rate, changes)
        if swapped:
            stems = stems[:, ::-1]
        if cut:
            stems = low_pass(stems, self.rate, corner_hz)
        return np.ascontiguousarray(stems)

    def _source(self, pool: Pool, stem: str | None, rng: np.random.Generator) -> tuple[Track, Playing, int]:
        """Return a track, how it is played, and from which sample on."""
        track, playing = self._draw(pool, rng), draw_playing(self.augmentation, rng)
        return track, playing, self._start(track, stem, playing.frames(self.frames), rng)

    @staticmethod
    def _draw(pool: Pool, rng: np.random.Generator) -> Track:
        tracks, chances = pool
        return tracks[int(rng.choice(len(tracks), p=chances))]


class Stretches:
    """Batches in which every lane plays a long example piece by piece, so that a network can carry its state.

    `reset` is the chance that the network is to begin an example in silence; else its state is kept, as in an aid
    from song to song, so that it learns what hours of streaming make of its cells. Lanes begin their examples at
    different steps. Everything follows from the seed, the step and the lane, so several processes can share the
    lanes of a batch.
    """

    def __init__(
        self, mixer: Mixer, lanes: range, of: int, pieces: int, context: int, seed: int, reset: float = 1.0
    ) -> None:
        if mixer.frames % pieces:
            raise ValueError(f"{mixer.frames} samples are not {pieces} equal pieces")
        self._mixer, self._lanes, self._of, self._pieces, self._context = mixer, lanes, of, pieces, context
        self._seed, self._frames, self._reset = seed, mixer.frames // pieces, reset
        self._playing: dict[int, tuple[int, FloatArray]] = {}  # lane: number of its example, the example

    def batch(self, step: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return (lanes, stems, channels, context + piece), and which lanes begin in silence here.

        The first `context` samples are those before the piece; zeros at the beginning of an example.
        """
        out = np.zeros((len(self._lanes), len(STEMS), 2, self._context + self._frames), np.float32)
        fresh = np.zeros(len(self._lanes), np.bool_)
        for row, lane in enumerate(self._lanes):
            number, piece = divmod(step + lane * self._pieces // self._of, self._pieces)
            if self._playing.get(lane, (-1, None))[0] != number:
                rng = np.random.default_rng((self._seed, number, lane))
                self._playing[lane] = number, self._mixer.example(rng)
            fresh[row] = piece == 0 and np.random.default_rng((self._seed, number, lane, 1)).random() < self._reset
            begin = piece * self._frames - self._context
            part = self._playing[lane][1][..., max(0, begin) : (piece + 1) * self._frames]
            out[row, ..., -part.shape[-1] :] = part
        return out, fresh


Batch = tuple[Tensor, Tensor]
"""Stems (batch, stems, channels, context + frames), and 1 for each example that goes on, 0 for one that begins."""


def batches(stretches: Stretches, first: int, last: int) -> Iterator[Batch]:
    """Yield the batches of the steps first .. last - 1, each prepared while the one before is trained on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(stretches.batch, first)
        for step in range(first, last):
            stems, fresh = coming.result()
            if step + 1 < last:
                coming = pool.submit(stretches.batch, step + 1)
            yield torch.from_numpy(stems), torch.from_numpy(~fresh).float()
