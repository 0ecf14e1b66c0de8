"""Styles and keys of the demo song, as data.

Chords and scales are semitones over the key; places are eighth notes of a bar, 0 to 7.
"""

from dataclasses import dataclass

Chord = tuple[int, ...]


@dataclass(frozen=True)
class Style:
    """One style; levels are RMS in dBFS before the limit on peaks, tempo in quarter notes a minute."""

    tempo_bpm: tuple[int, int]
    chords: tuple[Chord, ...]  # one a bar
    scale: tuple[int, ...]  # of the melody
    kick: tuple[int, ...]
    kick_each_second_bar: tuple[int, ...]
    snare: tuple[int, ...]
    bass_rests: tuple[int, ...]
    pad_brightness: float  # harmonic n of the pad has the amplitude n to the minus this
    keys: float  # amplitude of the electric piano beside the pad
    levels_db: dict[str, float]


def _levels(vocals: float, drums: float, bass: float, other: float) -> dict[str, float]:
    return {"vocals": vocals, "drums": drums, "bass": bass, "other": other}


_MAJOR, _MINOR = (0, 2, 4, 7, 9, 12, 14, 16), (0, 3, 5, 7, 10, 12, 15, 17)  # pentatonic

STYLES = {
    "pop": Style(
        tempo_bpm=(96, 116),
        chords=((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12)),  # I V vi IV
        scale=_MAJOR,
        kick=(0, 4),
        kick_each_second_bar=(3,),
        snare=(2, 6),
        bass_rests=(1, 5),
        pad_brightness=1.7,
        keys=0.8,
        levels_db=_levels(-19.5, -22.0, -22.0, -22.5),
    ),
    "rock": Style(
        tempo_bpm=(120, 144),
        chords=((0, 7, 12), (0, 7, 12), (10, 17, 22), (5, 12, 17)),  # I I bVII IV, without thirds
        scale=_MINOR,
        kick=(0, 3, 4),
        kick_each_second_bar=(5, 7),
        snare=(2, 6),
        bass_rests=(),
        pad_brightness=0.9,  # as bright as a distorted guitar
        keys=0.2,
        levels_db=_levels(-21.0, -19.5, -22.0, -20.0),
    ),
    "ballad": Style(
        tempo_bpm=(60, 74),
        chords=((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)),  # I vi IV V
        scale=_MAJOR,
        kick=(0,),
        kick_each_second_bar=(5,),
        snare=(4,),
        bass_rests=(1, 2, 3, 5, 7),
        pad_brightness=2.2,
        keys=1.2,
        levels_db=_levels(-18.5, -27.0, -24.0, -22.0),
    ),
    "dance": Style(
        tempo_bpm=(122, 130),
        chords=((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17)),  # i VI III VII
        scale=_MINOR,
        kick=(0, 2, 4, 6),
        kick_each_second_bar=(),
        snare=(2, 6),
        bass_rests=(0, 2, 4, 6),  # on the off-beats
        pad_brightness=1.3,
        keys=0.5,
        levels_db=_levels(-21.0, -19.5, -20.5, -21.0),
    ),
}

KEYS = {name: place - 6 for place, name in enumerate(("D#", "E", "F", "F#", "G", "G#", "A", "A#", "B", "C", "C#", "D"))}
"""Semitones over A, -6 to 5."""
