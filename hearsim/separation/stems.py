"""The stems of a song, by name: `hearsim.separate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hearsim.core.arguments import check_kind
from hearsim.core.audio import Audio, check_mixture, players
from hearsim.core.audio_files import read
from hearsim.core.errors import HearsimError
from hearsim.separation.models import load_network

if TYPE_CHECKING:
    from hearsim.separation.net import SeparatorNet


class Stems(dict[str, Audio]):
    """The stems of a song by name, in the network's order: `Audio` (channels, frames), aligned with the song.

    A notebook shows a player for each.

    Examples
    --------
    >>> stems = Stems(vocals=Audio(np.ones((2, 9), np.float32), 44100), other=Audio(np.ones((2, 9), np.float32), 44100))
    >>> stems
    <Stems: vocals, other>
    >>> float(stems.sum().samples.max())
    2.0
    """

    def __init__(self, stems: Mapping[str, Audio] | None = None, /, **named: Audio) -> None:
        check_kind("Stems takes Audio by name", stems, (Mapping, type(None)), "give {'vocals': audio, ...}")
        super().__init__({**(stems or {}), **named})
        for name, stem in self.items():
            check_kind(f"Stems: {name} must be an Audio", stem, Audio, "make one with Audio.from_array(array, rate)")

    def sum(self) -> Audio:
        """Return the sum of the stems; raises `HearsimError` without any."""
        if not self:
            raise HearsimError("Stems: there are no stems to add: give some by name")
        rate = next(iter(self.values())).rate
        return Audio(np.sum([stem.samples for stem in self.values()], axis=0, dtype=np.float32), rate)

    def __repr__(self) -> str:
        return f"<Stems: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        return players(self)


def separate(song: Audio | str | Path, model: "str | Path | SeparatorNet" = "hs-tasnet-lite") -> Stems:
    """Return the stems of a song, estimated by a network in the aid's separator, from the zero state.

    Parameters
    ----------
    song : Audio or path
        A mixture of one or two channels; a file is resampled to 44.1 kHz.
    model : str, Path or SeparatorNet
        The network: a shipped one's name or that of a plug-in, a model's folder, or the network itself.

    Returns
    -------
    Stems
        Audio of the song's length and channels by name: vocals, drums, bass and other for the shipped models.

    Raises
    ------
    HearsimError
        For a song that can't be read, audio at another rate than the network's, stems instead of a mixture, and a
        model that does not exist.

    Examples
    --------
    >>> import hearsim
    >>> song = Audio(hearsim.demo_song(3.0).samples.sum(axis=0), 44100)
    >>> stems = separate(song)
    >>> list(stems), stems["vocals"].samples.shape == song.samples.shape
    (['vocals', 'drums', 'bass', 'other'], True)
    """
    from hearsim.separation import offline

    cure = "make an Audio with Audio.from_array(array, rate)"
    check_kind("separate takes an Audio or a path", song, (Audio, str, Path), cure)
    sound = song if isinstance(song, Audio) else read(song)
    net, _ = load_network(model)
    if sound.rate != net.rate:
        raise HearsimError(
            f"separate needs {net.rate} Hz, got {sound.rate} Hz: resample the song, as hearsim.read does"
        )
    check_mixture(sound)
    mixture = sound.samples
    if sound.channels != net.channels:
        mixture = mixture.mean(0, keepdims=True) if net.channels == 1 else np.repeat(mixture, net.channels, axis=0)
    pieces = list(offline.separate(net, lambda start, stop: mixture[:, start:stop], sound.frames))
    stems = np.concatenate(pieces, axis=-1) if pieces else np.zeros((len(net.stems), *mixture.shape), np.float32)
    if sound.channels != net.channels or (mixture == mixture[:1]).all():
        stems = np.repeat(stems.mean(1, keepdims=True), sound.channels, axis=1)
    return Stems(
        {name: Audio(np.ascontiguousarray(stem), sound.rate) for name, stem in zip(net.stems, stems, strict=True)}
    )
