"""What the page shows of a session beside what moves: the profile with its fitting, and what can be chosen."""

from typing import Any

from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.hearing_aid import compensation
from hearsim.listener import PEAK_OVER_RMS_DB, STEMS, Profile
from hearsim.live.control import HIGHEST_DB, LOWEST_DB, QUIETEST_DB
from hearsim.profile import profile_names

EARS = ("left", "right")
INPUT_LEVELS_DB_SPL = (50, 65, 80)


def profile_scene(profile: Profile) -> dict[str, Any]:
    """Return a profile as the page draws it: levels in dB SPL, thresholds in dB HL, gains in dB."""
    stage = compensation(profile)
    gains = {level: stage.insertion_gain_db(float(level)) for level in INPUT_LEVELS_DB_SPL}
    return {
        "name": profile.name,
        "listener": profile.listener.name,
        "aid": profile.aid.name,
        "rule": profile.aid.rule,
        "mpo_db_spl": list(profile.mpo_db_spl),
        # dB SPL of the sine whose peak is 0 dB of full scale: with it peaks read on the scale of the MPO
        "full_scale_db_spl": profile.rig.headphones_full_scale_db_spl - PEAK_OVER_RMS_DB,
        "frequencies_hz": list(AUDIOMETRIC_HZ),
        "thresholds_db_hl": {
            ear: list(zip(audiogram.frequencies_hz, audiogram.thresholds_db_hl, strict=True))
            for ear, audiogram in zip(EARS, profile.listener.ears, strict=True)
        },
        "gains_db": {ear: {level: gains[level][k].tolist() for level in gains} for k, ear in enumerate(EARS)},
    }


def scene(profile: Profile, chosen: list[str], presets: list[str], can_lose: bool, recording: bool) -> dict[str, Any]:
    """Return everything that the page needs to know before it shows what moves; `chosen`: the user's own profiles."""
    return {
        "stems": list(STEMS),
        "fader_db": [LOWEST_DB, HIGHEST_DB],
        "quietest_db": QUIETEST_DB,
        "profiles": [*chosen, *(name for name in profile_names() if name not in chosen)],
        "presets": presets,
        "profile": profile_scene(profile),
        "can_lose": can_lose,
        "recording": recording,
    }
