"""The excerpts of a listening test: cut out with a run-in, so that network and compressors have settled in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hearsim.core.audio import Audio
from hearsim.core.audio_files import AID_RATE_HZ, open_source
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray
from hearsim.listening_test.spec import ExcerptSpec
from hearsim.music.demo_song import demo_song, mixture
from hearsim.music.songs import open_stems
from hearsim.music.tracks import SILENT_PEAK
from hearsim.profile.schema import STEMS, Mix

RUN_IN_S, RUN_OUT_S = 3.0, 0.1  # of the surrounding music, shorter at the ends of a song


@dataclass(frozen=True)
class Excerpt:
    """A piece of a song at the aid's rate; `part` is the stimulus itself, the rest is run-in and run-out."""

    name: str
    mixture: Audio
    stems: dict[str, FloatArray]  # the true ones, (channels, frames)
    part: slice
    origin: dict[str, Any]  # for the manifest


def silent_vocals(excerpt: Excerpt, mixes: Iterable[Mix]) -> str:
    """Return a warning for an excerpt without vocals (peak under -60 dBFS) where mixes differ in them; else ""."""
    if "vocals" not in excerpt.stems or len({mix.gain("vocals") for mix in mixes}) < 2:
        return ""
    if np.abs(excerpt.stems["vocals"][:, excerpt.part]).max(initial=0.0) >= SILENT_PEAK:
        return ""
    return (
        f"the excerpt of song {excerpt.name} has no vocals, and the mixes differ in them: its stimuli hardly differ; "
        "choose another start_s"
    )


def read_excerpt(song: ExcerptSpec, seconds: float, base: Path) -> Excerpt:
    """Return the excerpt of a song; paths are relative to `base`.

    Raises `HearsimError` for a song or stem that can't be read, and for a song that ends before its excerpt.
    """
    start, frames = round(song.start_s * AID_RATE_HZ), round(seconds * AID_RATE_HZ)
    first = max(0, start - round(RUN_IN_S * AID_RATE_HZ))
    last = start + frames + round(RUN_OUT_S * AID_RATE_HZ)
    part = slice(start - first, start - first + frames)
    if song.path is None:
        stems = demo_song(song.start_s + seconds + 1.0, seed=song.demo or 0)
        mixed = mixture(stems).samples[:, first:last]
        true = {name: stems.samples[index, :, first:last] for index, name in enumerate(STEMS)}
        origin: dict[str, Any] = {"demo": song.demo}
    else:
        source = open_source(base / song.path)
        if start + frames > source.frames:
            raise HearsimError(
                f"{source.path} lasts {source.seconds:.2f} s, less than an excerpt of {seconds:g} s from "
                f"{song.start_s:g} s on needs: lower start_s or seconds, for all stimuli are of equal length"
            )
        sources = open_stems(base / song.stems, source) if song.stems else {}
        mixed = source.read(first, last).samples
        true = {name: stem.read(first, last).samples for name, stem in sources.items()}
        origin = {
            "path": str(song.path),
            "sha256": source.sha256,
            "stems": {name: {"path": str(one.path.name), "sha256": one.sha256} for name, one in sources.items()},
        }
    origin |= {"start_s": song.start_s, "seconds": seconds}
    return Excerpt(song.name, Audio(np.ascontiguousarray(mixed), AID_RATE_HZ), true, part, origin)
