"""The tracks of a training spec, of all its folders."""

from collections.abc import Callable
from dataclasses import replace

from hearsim.music.tracks import Track, read_tracks, to_stderr
from hearsim.training.spec import DataSpec


def read_data(data: DataSpec, rate: int, say: Callable[[str], None] = to_stderr) -> list[Track]:
    """Return the tracks of the root and of all sources with a weight at a rate in Hz, as `read_tracks`."""
    return [
        replace(track, name=prefix + track.name)
        for prefix, folder in data.folders.items()
        for track in read_tracks(folder, data.cache, rate, say, data.load, ignore=data.ignore)
    ]
