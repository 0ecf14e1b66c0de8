"""Stimuli of an excerpt: remix, low-pass, loudness match, fitting, cut, one gain for all files.

The front half of the aid (separation, remix) does not depend on the listener, so each remix is made once; the
back half is `hearing_aid` without a separator. Loudness is matched between the two and never again: after the
amplification a match would remove differences that the test is to show.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
from scipy import signal
from scipy.io import wavfile

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.separator import Separator
from hearsim.core.audio import Audio, Format
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.composites import Chain, Delay
from hearsim.core.errors import HearsimError
from hearsim.core.processor import find, render
from hearsim.core.units import Curve, FloatArray, db_to_gain, gain_to_db, ms_to_samples
from hearsim.listening_test.excerpts import Excerpt
from hearsim.listening_test.spec import ORACLE, Plan, Version
from hearsim.metrics.loudness import integrated_lufs
from hearsim.profile.schema import Aid, Mix
from hearsim.separation.models import NetworkIdentity
from hearsim.simulation.condition import remix_song

TONE_HZ, TONE_S = 1000.0, 5.0


def encode(samples: FloatArray, kind: Literal["24-bit", "float"]) -> bytes:
    """Return samples (2, frames) as a stereo WAV at the aid's rate.

    Float files are written by scipy: libsndfile writes the time of day into them.
    """
    buffer = io.BytesIO()
    if kind == "24-bit":
        soundfile.write(buffer, samples.T, AID_RATE_HZ, subtype="PCM_24", format="WAV")
    else:
        wavfile.write(buffer, AID_RATE_HZ, np.ascontiguousarray(samples.T, np.float32))
    return buffer.getvalue()


def tone(ear: int, level_db: float) -> FloatArray:
    """Return the calibration tone (2, frames) for one ear (0 is the left), at an RMS in dB re 1.0; it loops."""
    sine = np.sin(2 * np.pi * TONE_HZ * np.arange(round(TONE_S * AID_RATE_HZ)) / AID_RATE_HZ)
    samples = np.zeros((2, sine.size), np.float32)
    samples[ear] = np.sqrt(2) * db_to_gain(level_db) * sine
    return samples


FADE_MS = 10.0
HIGHEST = 1 - 2.0**-23
"""The highest sample of a 24-bit file."""


@dataclass(frozen=True)
class Remixed:
    """One version of an excerpt before the fitting, matched in loudness."""

    version: Version
    sound: Audio
    match_gain_db: float
    lufs: float


@dataclass(frozen=True)
class Stimulus:
    """One version of an excerpt, fitted to one listener: (2, frames), full scale of the files."""

    remixed: Remixed
    fitting: str
    samples: FloatArray
    mpo_events: tuple[int, int]


def low_pass(edge_hz: float, rate_hz: int) -> Curve:
    """Return the taps of an anchor's low-pass, linear in phase, of odd length.

    BS.1534-3, 5.1, for 3.5 kHz: within 0.1 dB up to the edge, 25 dB down at 4 kHz and 50 dB at 4.5; the 7 kHz one is
    the same an octave up. Kaiser's design attenuates by 60 dB from 4 kHz on.
    """
    stop_hz = edge_hz * 8 / 7
    taps, beta = signal.kaiserord(60.0, (stop_hz - edge_hz) / (rate_hz / 2))
    window = ("kaiser", beta)
    return np.asarray(signal.firwin(taps | 1, (edge_hz + stop_hz) / 2, window=window, fs=rate_hz), np.float64)


class Fronts:
    """The front half of the aid, separation and remix; all mixes of an excerpt share one separation by each model."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._separators: dict[str, Separator] = {}
        self._excerpt: Excerpt | None = None
        self._stems: dict[str, FloatArray] = {}  # of the latest excerpt, by model
        self.models: dict[str, NetworkIdentity] = {}

    def remix(self, excerpt: Excerpt, version: Version) -> Audio:
        """Return the remix of an excerpt, aligned with it, in full scale of the microphone."""
        if version.model == ORACLE:
            return _true_remix(excerpt, version.mix)
        song, model = excerpt.mixture, version.model
        if model not in self._separators:
            profile = self._plan.profile(next(iter(self._plan.fittings)), version)
            self._separators[model] = Separator(profile.model)
            self.models[model] = self._separators[model].identity()
        separator = self._separators[model]
        if excerpt is not self._excerpt:
            self._excerpt, self._stems = excerpt, {}
        if model not in self._stems:
            self._stems[model] = render(separator, song, separator.hop).samples
        names = separator.prepare(Format(song.rate, song.channels, separator.hop)).stems
        return Audio(remix_song(song, self._stems[model], version.mix, names=names), song.rate)


def _true_remix(excerpt: Excerpt, mix: Mix) -> Audio:
    """Return x + sum_k (g_k - 1) s_k of the true stems: `hearsim.aid.remix` with a perfect separator."""
    changed = {stem: gain - 1 for stem in type(mix.gains_db).model_fields if (gain := mix.gain(stem)) != 1.0}
    if missing := [stem for stem in changed if stem not in excerpt.stems]:
        raise HearsimError(
            f"song {excerpt.name} lacks the true stem {missing[0]}, which the mix {mix.name} of the reference or of an "
            "oracle changes: give the folder of its stems"
        )
    sound = excerpt.mixture.samples.copy()
    for stem, weight in changed.items():
        sound += np.float32(weight) * excerpt.stems[stem]
    return Audio(sound, excerpt.mixture.rate)


def remixes(plan: Plan, excerpt: Excerpt, fronts: Fronts) -> Iterator[Remixed]:
    """Yield all versions of an excerpt before the fitting, at one loudness (BS.1770): the spec's or the reference's.

    Raises `HearsimError` where a version is silent.
    """
    target = plan.spec.lufs
    for version in plan.versions:
        sound = fronts.remix(excerpt, version)
        if version.low_pass_hz:
            taps = low_pass(version.low_pass_hz, sound.rate)
            filtered = signal.oaconvolve(sound.samples, taps[None], mode="same", axes=1)  # centred, so not late
            sound = Audio(filtered.astype(np.float32), sound.rate)
        lufs = _lufs(sound, excerpt, version)
        if target is None:  # the reference comes first
            target = lufs
        gain_db = target - lufs
        gained = Audio(sound.samples * np.float32(db_to_gain(gain_db)), sound.rate)
        yield Remixed(version, gained, gain_db, lufs + gain_db)


def _lufs(sound: Audio, excerpt: Excerpt, version: Version) -> float:
    try:
        return integrated_lufs(sound.samples[:, excerpt.part], sound.rate)
    except HearsimError as error:
        raise HearsimError(f"{version.name} of song {excerpt.name}: {error}; choose another excerpt or mix") from None


class Fitter:
    """The back half of the aid (compensation, limiter), fitted to one listener; one chain for each aid."""

    def __init__(self, plan: Plan, fitting: str) -> None:
        self._plan, self._fitting = plan, fitting
        self._chains: dict[Aid, Chain] = {}

    def play(self, remixed: Remixed, excerpt: Excerpt) -> Stimulus:
        """Return the stimulus of a version for the listener; raises `HearsimError` where its file would clip."""
        version, spec = remixed.version, self._plan.spec
        profile = self._plan.profile(self._fitting, version)
        if version.aid not in self._chains:
            self._chains[version.aid] = hearing_aid(profile, separation=Delay(0))
        chain = self._chains[version.aid]
        aided = render(chain, remixed.sound).samples[:, excerpt.part]
        samples = aided * _fade(aided.shape[1], remixed.sound.rate) * np.float32(db_to_gain(spec.gain_db))
        peak = float(np.abs(samples).max())
        if peak > HIGHEST:
            over = gain_to_db(peak / HIGHEST)
            raise HearsimError(
                f"{self._plan.path}: {version.name} of song {excerpt.name} clips for listener {profile.listener.name}: "
                f"its peak is {over:.1f} dB over full scale with gain_db = {spec.gain_db:g}, one gain for all files: "
                f"this file needs {math.floor(10 * (spec.gain_db - over)) / 10:g} or less"
            )
        return Stimulus(remixed, self._fitting, samples, find(chain, MpoLimiter).events)


def _fade(frames: int, rate_hz: int) -> FloatArray:
    """Return a gain that rises from 0 and falls to it as a raised cosine."""
    length = ms_to_samples(FADE_MS, rate_hz)
    gain = np.ones(frames, np.float32)
    gain[:length] = 0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)
    gain[-length:] = gain[:length][::-1]
    return gain
