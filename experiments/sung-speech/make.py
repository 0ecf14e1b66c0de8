"""Speech made into song by the WORLD vocoder: takes of vocals for `hearsim train`.

Vowels are held for the notes of a melody, consonants keep their speed. WORLD: M. Morise, F. Yokomori, K. Ozawa,
"WORLD: a vocoder-based high-quality speech synthesis system", IEICE Trans. E99-D (2016).
"""

import argparse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyworld
import soundfile
from scipy import ndimage, signal

Array = npt.NDArray[np.float64]
RATE = 44100
SOURCE_RATE = 22050  # speech is analysed at this rate
HOP = 0.005  # seconds a frame
FFT = 1024  # of the analysis; twice as many points at RATE have the same bins
KNOWN_HZ = 9000.0  # above it, or the band of the file, the envelope goes on at -2 dB per kHz; excitation is noise
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
BEATS, BEAT_CHANCES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0), (0.08, 0.37, 0.32, 0.1, 0.09, 0.04)
STYLES = (
    ((0, 0.5, 1.0),),  # alone; each voice: degrees above the melody, place from left (0) to right (1), gain
    ((0, 0.5, 1.0), (0, 0.1, 0.35), (0, 0.9, 0.35)),
    ((0, 0.1, 0.8), (0, 0.9, 0.8)),
    ((0, 0.45, 1.0), (2, 0.7, 0.5)),
)


class Speech(NamedTuple):
    """A phrase as WORLD's parameters by frame, and the first and last frames of its vowels."""

    f0: Array  # Hz, 0 where unvoiced
    envelope: Array  # (frames, bins of RATE), log of the power
    aperiodicity: Array  # (frames, bins of RATE), 0 .. 1
    vowels: list[tuple[int, int]]


class Singer(NamedTuple):
    """How a take is sung, drawn once."""

    rng: np.random.Generator
    formants: float  # factor of the envelope's frequencies
    spoken: bool
    centre: float  # semitones re 1 Hz: middle of the range
    scale: tuple[int, ...]
    tonic: float  # semitones re 1 Hz
    beat: float  # seconds
    vibrato: tuple[float, float]  # Hz, cents

    def pitch(self, degree: int) -> float:
        """Return the semitones re 1 Hz of a degree of the scale."""
        octave, step = divmod(degree, len(self.scale))
        return self.tonic + 12 * octave + self.scale[step]


def read(path: Path) -> tuple[Array, float]:
    """Return a file's samples at SOURCE_RATE, mono, silence at both ends cut off, and the band in Hz that it fills."""
    samples, rate = soundfile.read(path, always_2d=True)
    mono = signal.resample_poly(samples.mean(axis=1), SOURCE_RATE, rate)
    loud = np.flatnonzero(np.abs(mono) > 0.02 * np.abs(mono).max(initial=0))
    cut = mono[max(0, loud[0] - 800) : loud[-1] + 2500] if len(loud) else np.zeros(0)
    return np.ascontiguousarray(cut), min(KNOWN_HZ, 0.42 * rate)


def analyse(samples: Array, known_hz: float = KNOWN_HZ, formants: float = 1.0) -> Speech:
    """Return WORLD's parameters of speech at SOURCE_RATE, frequencies of the envelope times `formants`."""
    f0, times = pyworld.dio(samples, SOURCE_RATE, f0_floor=65.0, f0_ceil=550.0, frame_period=1000 * HOP)
    f0 = pyworld.stonemask(samples, f0, times, SOURCE_RATE)
    power = pyworld.cheaptrick(samples, f0, times, SOURCE_RATE, fft_size=FFT)
    noise = pyworld.d4c(samples, f0, times, SOURCE_RATE, fft_size=FFT)
    bins, wanted = np.fft.rfftfreq(FFT, 1 / SOURCE_RATE), np.fft.rfftfreq(2 * FFT, 1 / RATE) / formants
    log = np.log(np.maximum(power, 1e-12))
    known = wanted <= known_hz
    low = np.minimum((wanted[known] / bins[1]).astype(int), len(bins) - 2)
    share = wanted[known] / bins[1] - low
    envelope, aperiodicity = np.empty((len(f0), len(wanted))), np.full((len(f0), len(wanted)), 0.999)
    for out, source in ((envelope, log), (aperiodicity, noise)):
        out[:, known] = source[:, low] * (1 - share) + source[:, low + 1] * share
    edge = log[:, (bins > known_hz - 2000) & (bins < known_hz)].mean(axis=1, keepdims=True)
    envelope[:, ~known] = edge - np.log(10) / 10 * 2e-3 * (wanted[~known] - known_hz + 1000)
    level = 10 * np.log10(np.exp(log[:, (bins > 200) & (bins < 4000)]).sum(axis=1) + 1e-12)
    return Speech(f0, envelope, aperiodicity, find_vowels(f0, ndimage.uniform_filter1d(level, 7)))


def find_vowels(f0: Array, level: Array) -> list[tuple[int, int]]:
    """Return the first and last frames of vowels: voiced, within 5 dB of a peak of the level."""
    voiced = np.where(f0 > 0, level, level.min(initial=0) - 20)
    peaks, _ = signal.find_peaks(voiced, prominence=2.5, distance=round(0.1 / HOP), height=level.max(initial=0) - 28)
    vowels = []
    for peak in peaks:
        near = np.flatnonzero(~((f0 > 0) & (level > level[peak] - 5)))
        first, last = near[near < peak].max(initial=-1) + 1, near[near > peak].min(initial=len(f0)) - 1
        first = max(first, vowels[-1][1] + 3) if vowels else first
        if last - first >= 6:  # 35 ms
            vowels.append((int(first), int(last)))
    return vowels


def compose(speech: Speech, singer: Singer, degree: int) -> tuple[Array, list[int], list[int]]:
    """Return the frame of the speech for each of the song, and first frames and degrees of the notes, a random walk."""
    rng, onsets, degrees = singer.rng, list[int](), list[int]()
    position: list[float] = list(range(speech.vowels[0][0]))
    ends = [first for first, _ in speech.vowels[1:]] + [len(speech.f0)]
    for number, ((first, last), following) in enumerate(zip(speech.vowels, ends, strict=True), 1):
        final = number == len(ends)
        degree = step(singer, degree, final)
        beats = rng.choice(BEATS, p=BEAT_CHANCES) + (rng.choice((1, 2)) if final else 0)
        frames = max(beats * singer.beat / HOP - (following - last - 1), 0.6 * (last - first + 1))
        parts = rng.integers(2, 4) if frames > 0.5 / HOP and rng.random() < 0.25 else 1  # a melisma
        for part in range(parts):
            onsets.append(len(position) + round(part * frames / parts))
            degrees.append(degree)
            degree = step(singer, degree, final=False)
        degree = degrees[-1]
        position += [*np.linspace(first, last, round(frames)), *range(last + 1, following)]
    return np.array(position), onsets, degrees


def step(singer: Singer, degree: int, final: bool) -> int:
    """Return the next degree of a melody: near the last, drawn to the middle of the range, at the end a chord's."""
    steps, chances = np.arange(-4, 5), np.array([1, 1, 5, 10, 5, 10, 5, 1, 1.0])
    far = np.array([singer.pitch(degree + each) for each in steps]) - singer.centre
    chances *= np.exp(-((far / 5) ** 2))
    if final:
        chances *= np.isin((degree + steps) % len(singer.scale), (0, 2, len(singer.scale) // 2 + 1)) + 1e-3
    return degree + int(singer.rng.choice(steps, p=chances / chances.sum()))


def contour(frames: int, onsets: list[int], degrees: list[int], singer: Singer) -> Array:
    """Return the f0 in Hz of each output frame: notes with glides, vibrato after 200 .. 300 ms, and drift."""
    rng = singer.rng
    pitches = [singer.pitch(degree) + rng.normal(0, 0.08) for degree in degrees]
    semitones = np.full(frames, pitches[0])
    for before, after, onset in zip(pitches, pitches[1:], onsets[1:], strict=False):
        half = rng.uniform(0.03, 0.1) / HOP / 2
        glide = np.clip((np.arange(frames) - onset + half) / (2 * half), 0, 1)
        semitones += (after - before) * (1 - np.cos(np.pi * glide)) / 2
    begun = np.array([0, *onsets])[np.searchsorted(onsets, np.arange(frames), side="right")]
    rise = np.clip((HOP * (np.arange(frames) - begun) - rng.uniform(0.2, 0.3)) / 0.25, 0, 1)
    wobble = 1 + 0.1 * ndimage.gaussian_filter1d(rng.normal(size=frames), 20) * np.sqrt(40)
    phase = 2 * np.pi * np.cumsum(singer.vibrato[0] * HOP * wobble)
    slow, fast = (ndimage.gaussian_filter1d(rng.normal(size=frames), width) for width in (25, 2))
    vibrato = singer.vibrato[1] / 100 * rise * np.sin(phase)
    return np.asarray(2 ** ((semitones + vibrato + 0.66 * slow + 0.08 * fast) / 12))


def render(speech: Speech, position: Array, f0: Array) -> Array:
    """Return samples at RATE of the speech at positions in frames, voiced ones at `f0` in Hz."""
    low = np.clip(np.floor(position).astype(int), 0, max(0, len(speech.f0) - 2))
    high, share = np.minimum(low + 1, len(speech.f0) - 1), (position - low)[:, None]
    between = [part[low] * (1 - share) + part[high] * share for part in (speech.envelope, speech.aperiodicity)]
    voiced = np.where(speech.f0[np.round(position).astype(int)] > 0, f0, 0.0)
    return np.asarray(pyworld.synthesize(voiced, np.exp(between[0]), between[1], RATE, 1000 * HOP))


def sing(samples: Array, known_hz: float, singer: Singer, doubles: tuple[int, ...] = ()) -> list[Array]:
    """Return the sung phrase at RATE, and a voice for each double: the degrees it is above (0: unison)."""
    speech = analyse(samples, known_hz, singer.formants)
    if singer.spoken:
        return [render(speech, np.arange(len(speech.f0)), speech.f0 * 2 ** (singer.rng.uniform(-2, 2) / 12))]
    if not speech.vowels:
        return []
    middle = min(range(-14, 15), key=lambda degree: abs(singer.pitch(degree) - singer.centre))
    position, onsets, degrees = compose(speech, singer, middle + int(singer.rng.integers(-2, 3)))
    voices = [[degree + above for degree in degrees] for above in (0, *doubles)]
    return [render(speech, position, contour(len(position), onsets, voice, singer)) for voice in voices]


def take(files: list[Path], name: str) -> Array:
    """Return a take (frames, 2) of phrases and rests, mostly in the centre, sometimes doubled left and right."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    sounds = [sound for sound in map(read, files) if len(sound[0]) > 0.2 * SOURCE_RATE]
    known_hz = min([KNOWN_HZ, *(known for _, known in sounds)])
    phrases, shortest = [sound for sound, _ in sounds[:1]], rng.uniform(1, 4) * SOURCE_RATE
    for sound, _ in sounds[1:]:
        last = phrases[-1]
        phrases[-1:] = [np.concatenate([last, sound])] if len(last) < shortest else [last, sound]
    pitches = np.hstack([0.0, *(pyworld.dio(each, SOURCE_RATE, frame_period=20.0)[0] for each in phrases[:3])])
    median_hz = float(np.median(pitches[pitches > 0])) if pitches.any() else 150.0
    formants, spoken = rng.uniform(0.87, 1.15), bool(rng.random() < 0.15)
    centre = 12 * np.log2(median_hz * formants) + rng.uniform(1, 7)  # singing lies above speech
    scale = SCALES[rng.integers(len(SCALES))]
    beat, tonic, hz, cents = (rng.uniform(*limits) for limits in ((70, 150), (-6, 6), (4.5, 6.8), (15, 60)))
    singer = Singer(rng, formants, spoken, centre, scale, centre + tonic, 60 / beat, (hz, cents))
    style = STYLES[rng.choice(len(STYLES), p=[0.7, 0.13, 0.07, 0.1])]
    pieces = []
    for phrase in phrases:
        if voices := sing(phrase[: 12 * SOURCE_RATE], known_hz, singer, tuple(above for above, _, _ in style[1:])):
            gain = 10 ** (rng.uniform(-3, 1) / 20) / max(1e-6, np.sqrt(np.mean(voices[0] ** 2)))
            rest = rng.choice((0.5, 1, 2, 4), p=(0.35, 0.35, 0.2, 0.1)) * singer.beat * (0.5 if singer.spoken else 1)
            piece = np.zeros((len(voices[0]) + round(rest * RATE) + RATE // 20, 2))
            for index, (voice, (_, pan, share)) in enumerate(zip(voices, style, strict=False)):
                late = round(rng.uniform(0.005, 0.03) * RATE) if index else 0
                sides = np.array([np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2)]) * np.sqrt(2) * share * gain
                piece[late : late + len(voice)] += voice[:, None] * sides
            pieces.append(piece)
    if not pieces:
        return np.zeros((0, 2))
    whole = signal.sosfilt(signal.butter(2, 60, "high", fs=RATE, output="sos"), np.concatenate(pieces), axis=0)
    sounding = np.abs(whole).max(axis=1) > 0.05 * np.abs(whole).max()
    whole *= 0.1 / np.sqrt(np.mean(whole[sounding] ** 2))  # -20 dBFS RMS
    bent = np.sign(whole) * (0.5 + 0.45 * np.tanh((np.abs(whole) - 0.5) / 0.45))  # from -6 dBFS on, to stay under 0
    return np.where(np.abs(whole) > 0.5, bent, whole)


def plan(folder: Path, minutes: float, source_seconds: float) -> Iterator[tuple[str, list[Path]]]:
    """Yield names of takes and their files, each once, the voices (folders) by turns; up to `minutes` a voice."""
    takes = []
    for voice in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(voice.iterdir())
        np.random.default_rng(zlib.crc32(voice.name.encode())).shuffle(files)
        seconds = {file: min(12.0, float(soundfile.info(file).duration)) for file in files}
        groups, used = [list[Path]()], 0.0
        for file in files:
            if used <= 60 * minutes:
                groups += [[]] if sum(map(seconds.__getitem__, groups[-1])) > source_seconds else []
                groups[-1].append(file)
                used += seconds[file]
        named = [(f"w_{voice.name}_{number:02d}", group) for number, group in enumerate(groups)]
        takes.append([(name, group) for name, group in named if sum(map(seconds.__getitem__, group)) > 5])
    for turn in range(max(map(len, takes), default=0)):
        yield from (one[turn] for one in takes if turn < len(one))


def main() -> None:
    """Write the takes that the output folder lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, help="a folder of speech files for each voice")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0, help="of speech, at most, of a voice")
    parser.add_argument("--seconds", type=float, default=20.0, help="of speech for a take")
    chosen = parser.parse_args()
    try:
        takes = list(plan(chosen.speech, chosen.minutes, chosen.seconds))
    except soundfile.LibsndfileError as error:
        parser.error(f"{error}: leave only sound in the folders of the voices")
    if not takes:
        parser.error(f"{chosen.speech} has no folders with 5 seconds of speech: give one with a folder for each voice")
    for name, files in takes:
        folder = chosen.out / name
        if not (folder / "vocals.flac").exists() and len(samples := take(files, name)):
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / "vocals.part", samples, RATE, format="FLAC", subtype="PCM_16")
            (folder / "vocals.part").rename(folder / "vocals.flac")
            print(f"{name}: {len(samples) / RATE:.0f} s", flush=True)


if __name__ == "__main__":
    main()
