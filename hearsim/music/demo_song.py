"""The demo song: a short piece of synthesised music with its four true stems.

Drums, bass, chords and a voice-like lead (`hearsim.music.demo_voice`), as speech for STOI. A seed chooses
key, tempo and melody; the same seed gives the same bytes. Styles differ in tempo, chords, patterns, instruments and
balance (`hearsim.music.demo_styles`).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal

from hearsim.core.arguments import check_count, check_kind
from hearsim.core.audio import Audio
from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, db_to_gain
from hearsim.music.demo_styles import KEYS, STYLES, Style
from hearsim.music.demo_voice import FORMANTS_HZ, consonant, formants, glide, glottis

SHORTEST_S, LONGEST_S = 3, 1800
_FEWEST_EIGHTHS = 8  # the melody begins with the fifth and needs as many again
Spectrum = npt.NDArray[np.complex128]


def demo_song(
    seconds: float = 20.0, rate: int = 44100, seed: int = 0, style: str = "pop", key: str | None = None
) -> Audio:
    """Return the stems of the built-in song, made by a generator; their sum, `mixture`, peaks at -1 dBFS.

    Parameters
    ----------
    seconds : float
        Length: from 3 s, 4 s in slow styles, to half an hour.
    rate : int
        Sample rate in Hz.
    seed : int
        The seed of the song's random numbers.
    style : str
        One of `STYLES`.
    key : str
        One of `KEYS`. Default: the seed draws one from F# to C.

    Returns
    -------
    Audio
        Stems (4, 2, frames): vocals, drums, bass, other.

    Raises
    ------
    HearsimError
        For unknown names, and for other lengths.

    Examples
    --------
    >>> demo_song(3.0)
    <Audio: 4 stems, 2 channels, 3.000 s at 44100 Hz>
    """
    check_count("the demo song: rate", rate)
    check_count("the demo song: seed", seed, least=0)
    check_song(seconds, style, key)
    song = _Song(seconds, rate, seed, STYLES[style], key)
    stems = np.stack([_level(part, song.style.levels_db[name]) for name, part in song.parts().items()])
    fade = np.minimum(1.0, (song.frames - np.arange(song.frames)) / (0.6 * rate))
    stems = stems * fade
    stems *= db_to_gain(-1.0) / np.abs(stems.sum(0)).max()
    return Audio(stems.astype(np.float32), rate)


def check_song(seconds: float, style: str, key: str | None) -> None:
    """Raise `HearsimError` where `demo_song` would."""
    check_kind("the demo song's length must be a number", seconds, (int, float), "give seconds")
    if style not in STYLES:
        raise HearsimError(f"the demo song knows no style {style!r}: take one of {', '.join(STYLES)}")
    if key is not None and key not in KEYS:
        raise HearsimError(f"the demo song knows no key {key!r}: take one of {', '.join(KEYS)}")
    shortest = max(SHORTEST_S, math.ceil(_FEWEST_EIGHTHS * 30 / STYLES[style].tempo_bpm[0]))
    if not shortest <= seconds <= LONGEST_S:
        raise HearsimError(
            f"the demo song can't be {seconds:g} s long: give {shortest} (for a phrase) to {LONGEST_S} s"
        )


def mixture(stems: Audio) -> Audio:
    """Return the sum of stems (stems, channels, frames).

    Examples
    --------
    >>> mixture(demo_song(3.0))
    <Audio: 2 channels, 3.000 s at 44100 Hz>
    """
    check_kind("mixture takes stems as Audio", stems, Audio, "give demo_song(), for example")
    if stems.samples.ndim != 3:
        raise HearsimError(
            f"mixture takes stems (stems, channels, frames), not {stems.samples.shape}: it is one already"
        )
    return Audio(stems.samples.sum(axis=0), stems.rate)


def _level(part: Curve, db: float) -> Curve:
    loud: Curve = part * (db_to_gain(db) / np.sqrt(np.mean(part**2)))
    return loud


def _harmonics(turn: Spectrum, weights: Sequence[float]) -> Curve:
    """Return the sum of weights[n - 1] sin(n phase) for turn = exp(i phase): Horner's scheme, one sine for all."""
    total = np.zeros_like(turn)
    for weight in reversed(weights):
        total += weight
        total *= turn
    return total.imag


class _Song:
    """One piece: its grid of eighth notes, and a method for each part."""

    def __init__(self, seconds: float, rate: int, seed: int, style: Style, key: str | None) -> None:
        self.rate, self.frames, self.style = rate, round(seconds * rate), style
        self.rng = np.random.default_rng(seed)
        random_key = int(self.rng.integers(-3, 4))
        self.key_hz = 110.0 * 2 ** ((random_key if key is None else KEYS[key]) / 12)
        slowest, fastest = style.tempo_bpm
        tempo = float(self.rng.integers(slowest, fastest + 1))
        self.eighth = round(30.0 / tempo * rate)
        self.eighths = self.frames // self.eighth + 1
        self.pan = {"hat": 0.35, "lead": 0.0, "keys": -0.4, "pad": 0.25, "snare": 0.05}

    def parts(self) -> dict[str, Curve]:
        """Return every stem as (2, frames)."""
        return {"vocals": self.vocals(), "drums": self.drums(), "bass": self.bass(), "other": self.other()}

    def chord(self, eighth: int) -> tuple[int, ...]:
        """Return the chord (semitones over the key) that sounds at an eighth note; one a bar."""
        return self.style.chords[eighth // 8 % len(self.style.chords)]

    def place(self, out: Curve, start: int, sound: Curve) -> None:
        """Add a mono sound into a line at a sample."""
        end = min(out.size, start + sound.size)
        out[start:end] += sound[: max(0, end - start)]

    def stereo(self, mono: Curve, pan: float, wet: float) -> Curve:
        """Pan a line with constant power and add a light, decorrelated reverberation."""
        angle = (pan + 1) * np.pi / 4
        dry = np.stack([np.cos(angle) * mono, np.sin(angle) * mono])
        decay = np.exp(-np.arange(round(0.5 * self.rate)) / (0.11 * self.rate))
        tail = self.rng.standard_normal((2, decay.size)) * decay
        tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
        room = np.stack([signal.fftconvolve(mono, line)[: mono.size] for line in tail])
        mixed: Curve = dry + wet * room
        return mixed

    def tone(self, hz: float, seconds: float, brightness: float, decay_s: float) -> Curve:
        """Return a band-limited plucked tone: harmonics up to 16 kHz, higher ones softer and shorter."""
        t = np.arange(round(seconds * self.rate)) / self.rate
        turn = np.exp((2j * np.pi * hz - 0.35 / decay_s) * t)  # so harmonic n dies out n times as fast
        out = _harmonics(turn, [n**-brightness for n in range(1, max(2, min(24, int(16000 / hz))))])
        release = np.minimum(1.0, (t[-1] - t) / 0.02)
        plucked: Curve = out * np.exp(-t / decay_s) * np.minimum(1.0, t / 0.004) * release
        return plucked

    def drums(self) -> Curve:
        """Kick, snare, hats; a fill at the end of each four bars."""
        rate, low, mid, high = self.rate, np.zeros(self.frames), np.zeros(self.frames), np.zeros(self.frames)
        t = np.arange(round(0.35 * rate)) / rate
        kick = np.sin(2 * np.pi * (48 * t + 7.0 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.1)
        for step in range(self.eighths):
            at, place = step * self.eighth, step % 8
            fill = step % 32 >= 29
            if place in self.style.kick or (place in self.style.kick_each_second_bar and step % 16 > 8):
                self.place(low, at, kick)
            if place in self.style.snare or fill:
                noise = self.rng.standard_normal(t.size)
                snare = 0.5 * noise * np.exp(-t / 0.06) + 0.7 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.05)
                self.place(mid, at, snare * (0.6 if fill and place not in self.style.snare else 0.9))
            hat = self.rng.standard_normal(t.size) * np.exp(-t / (0.09 if place == 7 else 0.025))
            self.place(high, at, hat * (0.35 if place % 2 else 0.5))
        bright = signal.butter(4, (6000, 17000), "bandpass", fs=rate, output="sos")
        snare_band = signal.butter(2, (150, 12000), "bandpass", fs=rate, output="sos")
        hats = self.stereo(signal.sosfilt(bright, high), self.pan["hat"], 0.05)
        snares = self.stereo(signal.sosfilt(snare_band, mid), self.pan["snare"], 0.25)
        kicks: Curve = np.stack([low, low]) + hats + snares
        return kicks

    def bass(self) -> Curve:
        """Roots and fifths in eighth notes, an octave under the key."""
        line = np.zeros(self.frames)
        for step in range(self.eighths):
            if step % 8 in self.style.bass_rests:
                continue
            root = self.chord(step)[0]
            semitones = root - 12 * (root > 5) + (7 if step % 8 == 6 else 0)
            hz = self.key_hz / 2 * 2 ** (semitones / 12)
            length = self.eighth * (1.9 if step % 8 in (0, 4) else 0.9) / self.rate
            self.place(line, step * self.eighth, self.tone(hz, length, 1.6, 0.8))
        return np.stack([line, line])

    def other(self) -> Curve:
        """Play a pad through the bar and an electric piano on the off-beats; denser from the half on."""
        pad, keys = np.zeros(self.frames), np.zeros(self.frames)
        for bar in range(0, self.eighths, 8):
            length = 8 * self.eighth
            t = np.arange(length) / self.rate
            swell = np.minimum(1.0, t / 0.15) * np.minimum(1.0, (t[-1] - t) / 0.1)
            for note in self.chord(bar):
                hz = self.key_hz * 2 * 2 ** (note / 12)
                for detune in (-0.0025, 0.0025):
                    turn = np.exp(1j * (2 * np.pi * hz * (1 + detune) * t + 1.0))
                    voice = _harmonics(turn, [n**-self.style.pad_brightness for n in range(1, 9)])
                    self.place(pad, bar * self.eighth, swell * voice)
            dense = bar >= self.eighths // 2
            for step in range(bar, bar + 8):
                if step % 2 or (dense and step % 8 in (0, 4)):
                    for note in self.chord(bar):
                        hz = self.key_hz * 4 * 2 ** (note / 12)
                        self.place(keys, step * self.eighth, self.style.keys * self.tone(hz, 0.5, 2.0, 0.25))
        wide: Curve = self.stereo(pad, self.pan["pad"], 0.5) + self.stereo(keys, self.pan["keys"], 0.25)
        return wide

    def melody(self) -> list[tuple[int, int, float]]:
        """Return the notes of the lead: start and length in samples, frequency in Hz; rests between phrases."""
        notes, step, degree = [], 4, 3
        while step < self.eighths - 4:
            for _ in range(int(self.rng.integers(5, 9))):
                length = int(self.rng.choice((1, 2, 2, 3)))
                degree = int(np.clip(degree + self.rng.integers(-2, 3), 0, len(self.style.scale) - 1))
                hz = self.key_hz * 2 * 2 ** (self.style.scale[degree] / 12)
                notes.append((step * self.eighth, length * self.eighth, hz))
                step += length
                if step >= self.eighths - 2:
                    return notes
            step += int(self.rng.integers(2, 4))
        return notes

    def vocals(self) -> Curve:
        """Sing the melody: source, formants, consonants."""
        notes = self.melody()
        pitch, loud = np.full(self.frames, np.log(notes[0][2])), np.zeros(self.frames)
        tracks = {k: np.full(self.frames, FORMANTS_HZ["a"][k]) for k in range(3)}
        noise = np.zeros(self.frames)
        for start, length, hz in notes:
            vowel = FORMANTS_HZ[str(self.rng.choice(list(FORMANTS_HZ)))]
            pitch[start:] = np.log(hz)
            for k in range(3):
                tracks[k][start:] = vowel[k]
            onset = round(0.05 * self.rate)
            loud[start + onset : start + length - round(0.02 * self.rate)] = 1.0
            self.place(noise, max(0, start - round(0.02 * self.rate)), consonant(self.rate, self.rng))
        pitch, loud = glide(pitch, 0.03, self.rate), glide(loud, 0.015, self.rate)
        voice = loud * glottis(np.exp(pitch), self.rate, self.rng)
        spoken = formants(voice, {k: glide(track, 0.025, self.rate) for k, track in tracks.items()}, self.rate)
        line = spoken / np.sqrt(np.mean(spoken**2)) + 0.9 * noise
        return self.stereo(line, self.pan["lead"], 0.22)
