"""The Speech Intelligibility Index at the eardrum: from the aid's output, not from its prescription.

The gain in each band is that from the remixed song, or from speech, to the aid's output, so it includes level,
compression, limiter and ear. Voice and rest have the same gain, as they pass the aid together. With a vent the aided
sound leaks out under its cutoff and the direct sound comes in; their powers add, without the delay's comb filter.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import EARS, Format
from hearsim.core.composites import Delay
from hearsim.core.units import REFERENCE_PA, Curve, FloatArray
from hearsim.ear.vent import eardrum_level_db
from hearsim.metrics.levels import BandLevels, spectrum_levels_db
from hearsim.metrics.sii import BANDS_HZ, NORMAL_SPEECH_DB, sii
from hearsim.profile.schema import Profile

Ears = dict[str, float]
_BLOCK, _SETTLING_S, _SPEECH_S = 512, 1.0, 3.0
_SILENCE_DB_SPL = -50.0  # of a band: the least level that a gain is measured from


class VoiceLevels(NamedTuple):
    """Levels of a voice and of all other sound, dB SPL, per ear and 1/3-octave band (2, bands)."""

    voice: Curve
    rest: Curve


class VoiceMeter:
    """Collects the levels of the voice and of the rest, in the song and in its remix; blocks (2, n) of full scale.

    The voice in the remix is the true one at its gain; errors of the separation count as rest.
    """

    def __init__(self, rate_hz: int, profile: Profile) -> None:
        self._pascal = np.float32(profile.rig.microphone.pascal_per_unit)
        self._gain = np.float32(profile.mix.gain("vocals"))
        self._levels = {
            name: BandLevels(rate_hz, 2) for name in ("voice", "rest", "remix", "remixed voice", "remixed rest")
        }
        self.bands_hz = self._levels["voice"].bands_hz

    def add(self, song: FloatArray, voice: FloatArray, remix: FloatArray) -> None:
        """Take the next block of the song, of its true voice and of the aid's remix."""
        remixed = self._gain * voice
        sounds = (voice, song - voice, remix, remixed, remix - remixed)
        for meter, sound in zip(self._levels.values(), sounds, strict=True):
            meter.add(sound * self._pascal)

    def levels(self) -> VoiceLevels:
        """Return the levels in the song at the input."""
        return VoiceLevels(self._levels["voice"].db_spl(), self._levels["rest"].db_spl())

    def aided_levels(self, aided: BandLevels) -> VoiceLevels:
        """Return the levels of voice and rest in the aid's output; `aided` are its total levels."""
        gain = _gain_db(self._levels["remix"].db_spl(), aided.db_spl())
        return VoiceLevels(*(self._levels[f"remixed {name}"].db_spl() + gain for name in ("voice", "rest")))


def sii_in_music(meter: VoiceMeter, aided: BandLevels, profile: Profile, rate_hz: int) -> dict[str, Ears]:
    """Return the SII of the voice in the music per ear, "music_unaided" and "music_aided"; `aided` is in dB SPL."""
    unaided, through_aid = meter.levels(), meter.aided_levels(aided)
    heard = VoiceLevels(*(
        at_eardrum(out, direct, meter.bands_hz, profile, rate_hz)
        for out, direct in zip(through_aid, unaided, strict=True)
    ))  # fmt: skip
    return {
        name: _per_ear(levels.voice, levels.rest, meter.bands_hz, profile)
        for name, levels in (("music_unaided", unaided), ("music_aided", heard))
    }


def sii_in_quiet(profile: Profile, rate_hz: int) -> dict[str, Ears]:
    """Return the SII of normal speech in quiet per ear, "quiet_unaided" and "quiet_aided".

    Noise with the spectrum of speech at normal effort, 62.35 dB SPL, goes through the aid after its remix. So with
    compression the gain is that at this level: at a ratio of 2 it is 1.3 dB more than the rule's at 65 dB SPL (N4, open
    aid, vent of 4 kHz: SII 0.208, by the gain at 65 dB SPL 0.190).
    """
    fmt = Format(rate_hz, 2, _BLOCK)
    aid = hearing_aid(profile, separation=Delay(0))
    aid.prepare(fmt)
    before, after = BandLevels(rate_hz, 2), BandLevels(rate_hz, 2)
    microphone, headphones = profile.rig.microphone, profile.rig.headphones
    speech = _speech_noise(rate_hz) / np.float32(microphone.pascal_per_unit)
    for start in range(0, speech.size - fmt.block + 1, fmt.block):
        block = np.tile(speech[start : start + fmt.block], (2, 1))
        output = aid.process(block)
        if start >= _SETTLING_S * rate_hz:
            before.add(block * np.float32(microphone.pascal_per_unit))
            after.add(output * np.float32(headphones.pascal_per_unit))
    direct = before.db_spl()
    heard = at_eardrum(after.db_spl(), direct, before.bands_hz, profile, rate_hz)
    unaided, aided = {}, {}
    for ear, listener, gain in zip(EARS, profile.listener.ears, heard - direct, strict=True):
        thresholds = listener.at(BANDS_HZ)
        gain_db = np.interp(np.log(BANDS_HZ), np.log(before.bands_hz), gain)
        unaided[ear], aided[ear] = sii(NORMAL_SPEECH_DB, thresholds), sii(NORMAL_SPEECH_DB, thresholds, None, gain_db)
    return {"quiet_unaided": unaided, "quiet_aided": aided}


def at_eardrum(aided_db: Curve, direct_db: Curve, bands_hz: Curve, profile: Profile, rate_hz: int) -> Curve:
    """Return levels (2, bands) in the ear canal: the aid's alone, or with a vent its leak and the direct sound."""
    if profile.aid.vent is None:
        return aided_db
    return eardrum_level_db(aided_db, direct_db, profile.aid.vent.cutoff_hz, bands_hz, rate_hz)


def _per_ear(voice: Curve, rest: Curve, bands_hz: Curve, profile: Profile) -> Ears:
    """Return the SII of each ear."""
    return {
        ear: sii(
            spectrum_levels_db(bands_hz, speech, BANDS_HZ),
            listener.at(BANDS_HZ),
            spectrum_levels_db(bands_hz, noise, BANDS_HZ),
        )
        for ear, listener, speech, noise in zip(EARS, profile.listener.ears, voice, rest, strict=True)
    }


def _gain_db(before_db: Curve, after_db: Curve) -> Curve:
    return np.where(before_db > _SILENCE_DB_SPL, after_db - before_db, 0.0)


def _speech_noise(rate_hz: int) -> FloatArray:
    """Return noise (frames,) in pascals with the spectrum of speech at normal effort, ANSI S3.5-1997, table 3."""
    frames = int((_SETTLING_S + _SPEECH_S) * rate_hz)
    bins_hz = np.maximum(1.0, fft.rfftfreq(frames, 1 / rate_hz))
    level_db = np.interp(np.log(bins_hz), np.log(BANDS_HZ), NORMAL_SPEECH_DB)
    shape = REFERENCE_PA * 10 ** (0.05 * level_db) * np.sqrt(rate_hz / 2)  # white noise has the power 2 / rate in 1 Hz
    white = np.random.default_rng(0).standard_normal(frames)
    noise: FloatArray = fft.irfft(fft.rfft(white) * shape, frames).astype(np.float32)
    return noise
