"""The composition: key, tempo, style, form, chords, and what drums, bass and chords play. No sound yet.

Everything is drawn from one generator, in one order, and in seconds: the same seed is the same music at every
sample rate.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Section = Literal["intro", "verse", "chorus", "end"]
Singer = Literal["man", "woman"]


@dataclass(frozen=True)
class Note:
    """One played note: start and length in seconds, MIDI pitch, velocity 0..1."""

    start: float
    length: float
    pitch: int
    velocity: float


@dataclass(frozen=True)
class Hit:
    """One stroke on the drum kit: start in seconds, which drum, velocity 0..1."""

    start: float
    drum: str
    velocity: float


@dataclass(frozen=True)
class Bar:
    """One bar: its section, its start in seconds, and its chord as a scale degree (0 is the tonic)."""

    section: Section
    start: float
    degree: int


@dataclass(frozen=True)
class Style:
    """A manner of playing. Drum patterns are 16 steps a bar: `x` a stroke, `o` an open hat, `.` none."""

    name: str
    tempo_bpm: tuple[float, float]
    keys: Literal["electric piano", "pluck"]
    kick: dict[Section, str]
    snare: dict[Section, str]
    hat: dict[Section, str]
    bass: dict[Section, str]
    chords: dict[Section, str]


_BACKBEAT = "....x.......x..."
_EIGHTHS = "x.x.x.x.x.x.x.x."

STYLES = (
    Style(
        "pop",
        (96.0, 112.0),
        "electric piano",
        kick={"verse": "x.......x.x.....", "chorus": "x.....x.x.x....."},
        snare={"verse": _BACKBEAT, "chorus": _BACKBEAT},
        hat={"intro": _EIGHTHS, "verse": _EIGHTHS, "chorus": "x.x.x.o.x.x.x.o."},
        bass={"intro": "x...............", "verse": "x.....x.x.......", "chorus": _EIGHTHS},
        chords={"intro": "x...............", "verse": "x.....x.........", "chorus": "x..x..x...x.x..."},
    ),
    Style(
        "ballad",
        (78.0, 92.0),
        "electric piano",
        kick={"verse": "x.........x.....", "chorus": "x.....x.x......."},
        snare={"verse": "........x.......", "chorus": _BACKBEAT},
        hat={"verse": "x...x...x...x...", "chorus": _EIGHTHS},
        bass={"intro": "x...............", "verse": "x.......x.......", "chorus": "x.....x.x...x..."},
        chords={"intro": "x...x...x...x...", "verse": "x...x...x...x...", "chorus": "x.x.x.x.x.x.x.x."},
    ),
    Style(
        "dance",
        (112.0, 124.0),
        "pluck",
        kick={"verse": "x...x...x...x...", "chorus": "x...x...x...x..."},
        snare={"verse": _BACKBEAT, "chorus": _BACKBEAT},
        hat={"intro": "x.x.x.x.x.x.x.x.", "verse": "..x...x...x...x.", "chorus": "x.o.x.o.x.o.x.o."},
        bass={"intro": "x...............", "verse": "..x...x...x...x.", "chorus": "..x.x.x...x.x.xx"},
        chords={"intro": "x..x..x...x..x..", "verse": "x..x..x...x..x..", "chorus": "x.x.xx.xx.x.xx.x"},
    ),
)

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (3, 4, 2, 5)),
    "minor": ((0, 5, 2, 6), (0, 3, 5, 6), (0, 6, 5, 6), (5, 6, 0, 0)),
}
TONICS = ("C", "D flat", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")


@dataclass(frozen=True)
class Frame:
    """What all players share: style, key, tempo, form and harmony. `end` is the start of the last chord."""

    seconds: float
    style: Style
    singer: Singer
    tonic: int
    mode: str
    beat: float
    bars: tuple[Bar, ...]
    end: float

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes per minute."""
        return 60.0 / self.beat

    @property
    def key(self) -> str:
        """The key by name, such as "A minor"."""
        return f"{TONICS[self.tonic]} {self.mode}"

    def pitch(self, degree: int) -> int:
        """Return the MIDI pitch of a scale degree; 0 is the tonic in the octave of C4, 7 the one above."""
        octave, step = divmod(degree, 7)
        return 60 + self.tonic + 12 * octave + SCALES[self.mode][step]

    def fold(self, degree: int, lowest: int) -> int:
        """Return the pitch of a scale degree moved by octaves into the twelve semitones from `lowest`."""
        return lowest + (self.pitch(degree) - lowest) % 12

    def chord_at(self, time: float) -> int:
        """Return the scale degree of the chord that sounds at a time in seconds; the tonic at the end."""
        past = [bar.degree for bar in self.bars if bar.start <= time + 1e-6]
        return past[-1] if past and time < self.end - 1e-6 else 0


def draw_frame(rng: np.random.Generator, seconds: float) -> Frame:
    """Draw style, key and tempo, and lay out the form so that the last chord rings out within `seconds`."""
    style = STYLES[rng.integers(len(STYLES))]
    singer: Singer = ("man", "woman")[rng.integers(2)]
    tonic, mode = int(rng.integers(12)), ("major", "minor")[rng.integers(2)]
    wish, ring = rng.uniform(*style.tempo_bpm), rng.uniform(2.0, 2.6)
    count = max(2, round((seconds - ring) * wish / 240.0))
    length = (seconds - ring) / count  # the tempo gives way a little, so that whole bars fill the time
    verse, chorus = rng.permutation(len(PROGRESSIONS[mode]))[:2]
    sections = _form(count)
    bars = []
    for index, section in enumerate(sections):
        loop = PROGRESSIONS[mode][chorus if section == "chorus" else verse]
        place = sections[:index].count(section)
        bars.append(Bar(section, index * length, loop[place % 4]))
    return Frame(seconds, style, singer, tonic, mode, length / 4.0, tuple(bars), count * length)


def _form(count: int) -> list[Section]:
    """Return the section of every bar: an odd bar opens, then verses and choruses, a chorus last."""
    phrases = count // 2
    chorus = [(back // 2) % 2 == 0 if phrases > 2 else back == 0 for back in reversed(range(phrases))]
    body: list[Section] = ["chorus" if high else "verse" for high in chorus for _ in range(2)]
    opening: list[Section] = ["intro"] * (count % 2)
    return opening + body


def steps(pattern: str) -> list[tuple[int, str]]:
    """Return the strokes of a 16-step pattern as (step, mark)."""
    return [(step, mark) for step, mark in enumerate(pattern) if mark != "."]


def _loose(rng: np.random.Generator, start: float, velocity: float) -> tuple[float, float]:
    """Return a start and a velocity as a person plays them: 3 ms and 6 % off, about."""
    late, harder = rng.normal(0.0, 0.003), rng.normal(0.0, 0.06)
    return max(0.0, start + float(np.clip(late, -0.008, 0.008))), float(np.clip(velocity * (1 + harder), 0.1, 1.0))


def play_drums(rng: np.random.Generator, frame: Frame) -> tuple[Hit, ...]:
    """Return the drum part: the style's patterns, a fill before each chorus, a crash on it, a last stroke."""
    hits: list[Hit] = []

    def strike(start: float, drum: str, velocity: float) -> None:
        hits.append(Hit(*_reorder(_loose(rng, start, velocity), drum)))

    step_s = frame.beat / 4.0
    for index, bar in enumerate(frame.bars):
        following: Section = frame.bars[index + 1].section if index + 1 < len(frame.bars) else "end"
        fill = bar.section == "verse" and following == "chorus"
        strength = 1.0 if bar.section == "chorus" else 0.8
        for drum, patterns in (("kick", frame.style.kick), ("snare", frame.style.snare), ("hat", frame.style.hat)):
            for step, mark in steps(patterns.get(bar.section, "")):
                if fill and step >= 8 and drum != "kick":
                    continue
                accent = 1.0 if step % 4 == 0 or drum != "hat" else 0.65
                strike(bar.start + step * step_s, "open hat" if mark == "o" else drum, strength * accent)
        if fill:
            for step, drum in zip(range(8, 16), _FILL, strict=True):
                strike(bar.start + step * step_s, drum, 0.45 + 0.05 * (step - 8) + 0.1 * (step % 2 == 0))
        if bar.section == "chorus" and (index == 0 or frame.bars[index - 1].section != "chorus"):
            strike(bar.start, "crash", 0.8)
    for drum, velocity in (("kick", 1.0), ("crash", 0.9)):
        strike(frame.end, drum, velocity)
    return tuple(hits)


_FILL = ("snare", "snare", "high tom", "high tom", "mid tom", "mid tom", "low tom", "snare")


def _reorder(timing: tuple[float, float], drum: str) -> tuple[float, str, float]:
    return timing[0], drum, timing[1]


def play_bass(rng: np.random.Generator, frame: Frame) -> tuple[Note, ...]:
    """Return the bass line: roots between E1 and E flat 2, in the chorus with fifths and octaves between."""
    notes: list[Note] = []
    for bar in frame.bars:
        root, fifth = frame.fold(bar.degree, 28), frame.fold(bar.degree + 4, 31)
        strokes = [step for step, _ in steps(frame.style.bass[bar.section])]
        for place, step in enumerate(strokes):
            ends = strokes[place + 1] if place + 1 < len(strokes) else 16
            colour = (root, root, root + 12, fifth)[rng.integers(4)] if step % 8 >= 6 else root
            start, velocity = _loose(rng, bar.start + step * frame.beat / 4.0, 0.85)
            notes.append(Note(start, 0.94 * (ends - step) * frame.beat / 4.0, colour, velocity))
    notes.append(Note(frame.end, frame.seconds - frame.end, frame.fold(0, 28), 0.9))
    return tuple(notes)


def play_pad(frame: Frame) -> tuple[Note, ...]:
    """Return the held chords, three notes from E3 up, one chord a bar, quieter in the verse."""
    chords = [(bar.start, frame.beat * 4.0, bar.degree, bar.section) for bar in frame.bars]
    last: tuple[float, float, int, Section] = (frame.end, frame.seconds - frame.end, 0, "end")
    return tuple(
        Note(start, length, frame.fold(degree + third, 52), 0.6 if section in ("verse", "intro") else 1.0)
        for start, length, degree, section in [*chords, last]
        for third in (0, 2, 4)
    )


def play_keys(rng: np.random.Generator, frame: Frame) -> tuple[Note, ...]:
    """Return the chord player's notes: struck chords on the electric piano, broken ones when plucked."""
    notes: list[Note] = []
    for bar in frame.bars:
        tones = [frame.fold(bar.degree + third, 59) for third in (0, 2, 4)]
        tones = sorted([*tones, frame.fold(bar.degree + (6 if rng.random() < 0.5 else 0), 64)])
        strokes = [step for step, _ in steps(frame.style.chords[bar.section])]
        for place, step in enumerate(strokes):
            ends = strokes[place + 1] if place + 1 < len(strokes) else 16
            struck = tones if frame.style.keys == "electric piano" else [tones[place % 4] + 12 * (place % 3 == 2)]
            for pitch in struck:
                start, velocity = _loose(rng, bar.start + step * frame.beat / 4.0, 0.7 + 0.2 * (step % 8 == 0))
                notes.append(Note(start, (ends - step) * frame.beat / 4.0, pitch, velocity))
    notes += [Note(frame.end, frame.seconds - frame.end, frame.fold(third, 59), 0.9) for third in (0, 2, 4)]
    return tuple(notes)
