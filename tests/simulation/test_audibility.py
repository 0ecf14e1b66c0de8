"""The SII called aided is that of the aid's output: it moves with the mix, the vent, the level and the ear."""

from pathlib import Path

import numpy as np
import pytest

from hearsim.aid.compensation import compensation
from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Audio
from hearsim.core.composites import Delay
from hearsim.core.processor import render
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.sii import BANDS_HZ, NORMAL_SPEECH_DB, sii
from hearsim.music.demo_song import demo_song
from hearsim.profile.load import load_aid, load_part, load_profile
from hearsim.profile.schema import STEMS, Listener, Mix, Profile, Vent
from hearsim.simulation.audibility import VoiceMeter, sii_in_music, sii_in_quiet

RATE = 44100


def profile(listener: str = "N3", aid: str = "closed", mix: str = "flat", cutoff_hz: float = 0) -> Profile:
    parts = {
        "listener": load_part(listener, Listener, Path()),
        "mix": load_part(mix, Mix, Path()),
        "aid": load_aid(aid),
    }
    if cutoff_hz:
        parts["aid"] = parts["aid"].model_copy(update={"vent": Vent(cutoff_hz=cutoff_hz)})
    return load_profile("moderate-vocals-up").model_copy(update=parts)


def in_music(who: Profile, seconds: float = 4.0, missed: float = 0.0) -> dict[str, dict[str, float]]:
    """Return the SII of the built-in song's vocals with the true stems, or with a share of the drums missed."""
    true = demo_song(seconds).samples
    found = true.copy()
    found[1] *= np.float32(1 - missed)
    song = true.sum(axis=0)
    remix = song + sum(np.float32(who.mix.gain(stem) - 1) * one for stem, one in zip(STEMS, found, strict=True))
    meter, aided = VoiceMeter(RATE, who), BandLevels(RATE, 2)
    meter.add(song, true[0], remix)
    output = render(hearing_aid(who, separation=Delay(0)), Audio(remix, RATE))
    aided.add(output.samples * np.float32(who.rig.headphones.pascal_per_unit))
    return sii_in_music(meter, aided, who, RATE)


def test_the_mix_moves_the_voice_in_the_music() -> None:
    """A muted voice is not there; alone it has no masker but the threshold."""
    by_mix = {mix: in_music(profile(mix=mix)) for mix in ("instrumental", "flat", "vocals-up", "vocals-only")}
    aided = [found["music_aided"]["left"] for found in by_mix.values()]
    assert aided[0] == 0 and aided == sorted(aided)
    assert aided[1] < 0.4
    assert in_music(profile(mix="vocals-only"), 20.0)["music_aided"]["left"] == pytest.approx(0.67, abs=0.03)
    assert len({found["music_unaided"]["left"] for found in by_mix.values()}) == 1


def test_errors_of_the_separation_mask_the_voice() -> None:
    only = profile(mix="vocals-only")
    assert in_music(only, missed=1.0)["music_aided"]["left"] < in_music(only)["music_aided"]["left"] - 0.01


@pytest.mark.parametrize(("cutoff_hz", "at_65"), [(20.0, 0.433), (4000.0, 0.190)])
def test_the_vent_lets_the_gain_out(cutoff_hz: float, at_65: float) -> None:
    """N4, open aid: the power sum of leak and direct sound by first-order filters, with the rule's own gain.

    `at_65` is the SII by the gain at 65 dB SPL; speech is 2.65 dB softer, and so gets 1.3 dB more at a ratio of 2.
    """
    who = profile("N4", "open", cutoff_hz=cutoff_hz)
    expected = {}
    for level in (65.0, 62.35):
        gain_db = np.interp(np.log(BANDS_HZ), np.log(AUDIOMETRIC_HZ), compensation(who).insertion_gain_db(level)[0])
        high = BANDS_HZ**2 / (BANDS_HZ**2 + cutoff_hz**2)
        summed_db = 10 * np.log10(high * 10 ** (gain_db / 10) + 1 - high)
        expected[level] = sii(NORMAL_SPEECH_DB, who.listener.left.at(BANDS_HZ), None, summed_db)
    assert expected[65.0] == pytest.approx(at_65, abs=0.005)
    aided = sii_in_quiet(who, RATE)["quiet_aided"]
    assert list(aided.values()) == pytest.approx([expected[62.35]] * 2, abs=0.005)


def test_the_vent_is_in_the_music_too() -> None:
    music = [in_music(profile("N4", "open", cutoff_hz=cutoff))["music_aided"]["left"] for cutoff in (20, 4000)]
    assert music[1] < music[0] - 0.03


def test_the_level_moves_the_gain() -> None:
    """20 dB more into an aid of ratio 2 with an MPO are less than 20 dB more out of it."""
    who = profile("N4")
    aided = []
    for gain in (0.05, 0.5):
        true = np.float32(gain) * demo_song(4.0).samples
        meter, levels = VoiceMeter(RATE, who), BandLevels(RATE, 2)
        song = true.sum(axis=0)
        meter.add(song, true[0], song)
        output = render(hearing_aid(who, separation=Delay(0)), Audio(song, RATE)).samples
        levels.add(output * np.float32(who.rig.headphones.pascal_per_unit))
        aided.append(meter.aided_levels(levels).voice[0, 12])  # 1 kHz
    assert 6 < aided[1] - aided[0] < 17


def test_each_ear_has_its_own() -> None:
    found = sii_in_quiet(load_profile("asymmetric-instrumental"), RATE)
    assert found["quiet_unaided"]["left"] != pytest.approx(found["quiet_unaided"]["right"], abs=0.05)
    rule_db = compensation(load_profile("asymmetric-instrumental")).insertion_gain_db(62.35)
    for ear, gains in zip(("left", "right"), rule_db, strict=True):
        thresholds = getattr(load_profile("asymmetric-instrumental").listener, ear).at(BANDS_HZ)
        assert found["quiet_unaided"][ear] == pytest.approx(sii(NORMAL_SPEECH_DB, thresholds), abs=1e-9)
        gain_db = np.interp(np.log(BANDS_HZ), np.log(AUDIOMETRIC_HZ), gains)
        expected = sii(NORMAL_SPEECH_DB, thresholds, None, gain_db)
        assert found["quiet_aided"][ear] == pytest.approx(expected, abs=0.02)
    who = load_profile("asymmetric-instrumental")
    swapped = who.listener.model_copy(update={"left": who.listener.right, "right": who.listener.left})
    turned = sii_in_quiet(who.model_copy(update={"listener": swapped}), RATE)
    for name, ears in found.items():
        assert list(ears.values()) == pytest.approx(list(reversed(turned[name].values())), abs=0.01)
