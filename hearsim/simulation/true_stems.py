"""A song with its true stems, and a check that they belong to it: the fit of their weighted sum."""

import math
import warnings
from pathlib import Path

import numpy as np

from hearsim.core.arguments import check_kind
from hearsim.core.audio import Audio, check_mixture
from hearsim.core.audio_files import Source, open_source
from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.core.units import FloatArray
from hearsim.music.songs import open_stems
from hearsim.profile.schema import STEMS

_FIT_BLOCK = 65536
LEAST_FIT = 0.7  # a remix at other gains, mastered or coded, stays over 0.9; stems of another song under 0.3


class StemsFit:
    """Correlation of a song with the best weighted sum of its stems (least squares).

    Any weights are allowed, so stems of a remix fit; memory is that of one block.

    Examples
    --------
    >>> stems = np.random.default_rng(0).standard_normal((4, 2, 1000)).astype(np.float32)
    >>> fit = StemsFit(4)
    >>> fit.add(stems, 2.0 * stems[0] + stems[1] - stems[2])
    >>> round(fit.value(), 6)
    1.0
    """

    def __init__(self, stems: int) -> None:
        self._products = np.zeros((stems + 1, stems + 1))  # of stems and song with each other

    def add(self, stems: FloatArray, song: FloatArray) -> None:
        """Take the next block of the stems (stems, channels, frames) and of the song (channels, frames)."""
        rows = np.concatenate((stems, song[None])).reshape(len(stems) + 1, -1).astype(np.float64)
        self._products += rows @ rows.T

    def value(self) -> float:
        """Return the correlation, 0 to 1; 1 for a silent song."""
        auto, cross, power = self._products[:-1, :-1], self._products[:-1, -1], self._products[-1, -1]
        if power <= 0.0:
            return 1.0
        weights = np.linalg.lstsq(auto, cross, rcond=None)[0]
        return math.sqrt(min(1.0, max(0.0, float(cross @ weights) / power)))

    def warn(self, stems: str, song: str) -> None:
        """Warn of stems whose sum is not the song (`LEAST_FIT`), in a sentence that names both."""
        if (fit := self.value()) < LEAST_FIT:
            warnings.warn(
                f"{stems} may be of another song, or shifted: their sum correlates with {song} by {fit:.2f} at most, "
                "at any gains; measures against them mean nothing then",
                HearsimWarning,
                stacklevel=3,
            )


def read_song(song: Audio | str | Path, stems: Audio | str | Path | None) -> tuple[Audio, Audio | None]:
    """Return a song (2, frames) and its true stems (4, 2, frames), if there are any, from Audio or from files.

    Warns of stems that do not sum to the song; raises `HearsimError` for other types, or stems of another length.
    """
    cure = "make an Audio with Audio.from_array(array, rate)"
    check_kind("listen takes an Audio or a path", song, (Audio, str, Path), cure)
    if stems is not None:
        check_kind("listen: stems must be an Audio or a folder", stems, (Audio, str, Path), cure)
    source: Source | None = None
    if isinstance(song, Audio):
        sound = song
    else:
        source = open_source(song)
        sound = source.read()
    check_mixture(sound)
    if sound.channels == 1:
        sound = Audio(np.repeat(sound.samples, 2, axis=0), sound.rate)
    if stems is None:
        return sound, None
    if isinstance(stems, Audio):
        if stems.samples.shape != (len(STEMS), *sound.samples.shape) or stems.rate != sound.rate:
            raise HearsimError(
                f"the true stems have the shape {stems.samples.shape} at {stems.rate} Hz, and the song needs "
                f"{(len(STEMS), *sound.samples.shape)} at {sound.rate} Hz"
            )
        _warn_of_other_stems(stems.samples, sound.samples, "the true stems", "the song")
        return sound, stems
    if source is None:
        raise HearsimError(
            f"stems = {str(stems)!r} is a folder, and the song is not a file: give the stems as Audio, too"
        )
    sources = open_stems(Path(stems), source)
    silent = np.zeros_like(sound.samples)
    true_stems = np.stack([sources[n].read().samples if n in sources else silent for n in STEMS])
    if len(sources) == len(STEMS):
        _warn_of_other_stems(true_stems, sound.samples, f"the stems in {stems}", str(song))
    return sound, Audio(true_stems, sound.rate)


def _warn_of_other_stems(true_stems: FloatArray, song: FloatArray, stems_name: str, song_name: str) -> None:
    """Warn of true stems (4, 2, frames) that do not sum to the song (2, frames)."""
    fit = StemsFit(len(STEMS))
    for start in range(0, song.shape[-1], _FIT_BLOCK):
        part = slice(start, start + _FIT_BLOCK)
        fit.add(true_stems[..., part], song[:, part])
    fit.warn(stems_name, song_name)
