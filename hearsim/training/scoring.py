"""The scores of one track: the mixture, a model's estimates and the ideal ratio mask, by definitions named apart.

Only the stems that a track has are scored. The mixture as an estimate of each stem is where a separator starts; the
ideal ratio mask (window 1024, hop 512, the mixture's phase) is the ceiling of masking. Neither depends on the model,
so their scores are kept in a cache, by the checksum of the stems' samples.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from hearsim.errors import HearsimError
from hearsim.metrics.bsseval import Signals
from hearsim.metrics.separation import ideal_ratio_mask_pieces
from hearsim.metrics.stem_scores import Score, StemJudge
from hearsim.paths import write_atomically
from hearsim.separation.net import SeparatorNet
from hearsim.separation.pieces import separate
from hearsim.training.data import Track
from hearsim.units import FloatArray

MIXTURE, CEILING = "mixture", "ideal ratio mask"
SCORING = 1
"""Counts up when a change of the code changes scores: older results are then refused, and cached ones not found."""

Progress = Callable[[float], None]  # takes the share of the track that is separated, 0 .. 1


def fingerprint(track: Track) -> str:
    """Return the checksum of the samples of a track's stems."""
    digest = hashlib.sha256(f"{track.frames}".encode())
    for name, samples in sorted(track.stems.items()):
        digest.update(f" {name} {samples.shape} {samples.dtype} ".encode())
        digest.update(np.ascontiguousarray(samples).data)
    return digest.hexdigest()


def score_track(
    track: Track, checksum: str, net: SeparatorNet, name: str, cache: Path, progress: Progress
) -> list[Score]:
    """Return the scores of a track: the mixture's, then the model's under its `name`, then the ceiling's.

    `checksum` is the track's `fingerprint`. The model hears the whole track from a silent start, as in the aid.
    """
    stems = [stem for stem in net.stems if stem in track.stems]

    def truth(start: int, stop: int) -> FloatArray:
        return np.stack([track.read(stem, start, stop - start) for stem in stems])

    def mixture(start: int, stop: int) -> FloatArray:
        return np.asarray(truth(start, stop).sum(axis=0))

    def estimates() -> Iterator[FloatArray]:
        wanted, done = [net.stems.index(stem) for stem in stems], 0
        for piece in separate(net, mixture, track.frames):
            yield piece[wanted]
            done += piece.shape[-1]
            progress(done / track.frames)

    shape = (len(stems), net.channels, track.frames)
    with _spilled(estimates(), shape, cache) as found:
        judge = StemJudge(truth, stems, net.channels, track.frames, net.rate)
        model = judge.score(name, found)
    kept = cache / "scores" / f"{checksum}-{SCORING}.json"
    if kept.exists():
        try:
            references = _ROWS.validate_json(kept.read_bytes())
        except ValidationError as error:
            raise HearsimError(f"{kept} is damaged: delete it") from error
    else:
        references = judge.score(MIXTURE, lambda start, stop: np.stack([mixture(start, stop)] * len(stems)))
        with _spilled(ideal_ratio_mask_pieces(truth, track.frames), shape, cache) as found:
            references += judge.score(CEILING, found)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(kept) as part:
            part.write_bytes(_ROWS.dump_json(references))
    return [*references[: len(stems)], *model, *references[len(stems) :]]


_ROWS = TypeAdapter(list[Score])


@contextmanager
def _spilled(pieces: Iterator[FloatArray], shape: tuple[int, int, int], cache: Path) -> Iterator[Signals]:
    """Yield a reader of pieces (stems, channels, n), which wait on disk: each estimate is read three times.

    The file lies in the cache folder and vanishes at the end.
    """
    stems, channels, frames = shape
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, prefix="estimates-", buffering=0) as file:
        try:
            for piece in pieces:
                left = np.ascontiguousarray(piece.transpose(2, 0, 1), np.float32).data.cast("B")
                while left:
                    left = left[file.write(left) :]
        except OSError as error:
            raise HearsimError(f"{cache} can't hold a track's estimates ({error.strerror}): make room") from error
        mapped = np.memmap(file.name, np.float32, "r", shape=(frames, stems, channels))
        yield lambda start, stop: np.ascontiguousarray(mapped[start:stop].transpose(1, 2, 0))
