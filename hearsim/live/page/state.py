"""The page's view of the control block, as JSON objects. Page process; reads only."""

from typing import Any

import numpy as np

from hearsim.core.alignment import whitened_peak
from hearsim.core.audio import EARS
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.units import gain_to_db
from hearsim.live.control import CHANGING, ENDED, HIGHEST_DB, LOWEST_DB, QUIETEST_DB, READY, RUNNING, Control
from hearsim.live.events import STEPS
from hearsim.live.ledger import ledger, load, turn
from hearsim.live.output_stage import FADE
from hearsim.live.player import Rings
from hearsim.profile.load import listener_names, profile_names
from hearsim.profile.schema import PEAK_OVER_RMS_DB, STEMS, Profile

INPUT_LEVELS_DB_SPL = (50, 65, 80)


def profile_scene(profile: Profile) -> dict[str, Any]:
    """Return a profile for the page's drawings: levels in dB SPL, thresholds in dB HL, gains at the eardrum in dB."""
    from hearsim.aid.compensation import compensation  # a heavy import, which the page's process does not need
    from hearsim.dsp.bands import AUDIOMETRIC_HZ
    from hearsim.ear.vent import eardrum_level_db

    stage = compensation(profile)
    gains = {level: stage.insertion_gain_db(float(level)) for level in INPUT_LEVELS_DB_SPL}
    if vent := profile.aid.vent:
        hz = np.array(AUDIOMETRIC_HZ)
        gains = {level: eardrum_level_db(own, 0.0, vent.cutoff_hz, hz, AID_RATE_HZ) for level, own in gains.items()}
    return {
        "name": profile.name,
        "listener": profile.listener.name,
        "aid": profile.aid.name,
        "rule": profile.aid.rule,
        "mpo_db_spl": list(profile.mpo_db_spl),
        # dB SPL of a sine with a peak of 0 dBFS, so that peaks are on the scale of the MPO
        "full_scale_db_spl": profile.rig.headphones_full_scale_db_spl - PEAK_OVER_RMS_DB,
        "frequencies_hz": list(AUDIOMETRIC_HZ),
        "thresholds_db_hl": {
            ear: list(zip(audiogram.frequencies_hz, audiogram.thresholds_db_hl, strict=True))
            for ear, audiogram in zip(EARS, profile.listener.ears, strict=True)
        },
        "gains_db": {ear: {level: gains[level][k].tolist() for level in gains} for k, ear in enumerate(EARS)},
    }


def scene(
    profile: Profile, chosen: list[str], own_listener: str, presets: list[str], can_lose: bool, recording: bool
) -> dict[str, Any]:
    """Return the fixed data of the page, without meters and faders.

    `chosen` are the user's own profiles, `own_listener` the one that the session was started with.
    """
    return {
        "stems": list(STEMS),
        "fader_db": [LOWEST_DB, HIGHEST_DB],
        "quietest_db": QUIETEST_DB,
        "profiles": [*chosen, *(name for name in profile_names() if name not in chosen)],
        "presets": presets,
        "listeners": list(dict.fromkeys((own_listener, *listener_names()))),
        "profile": profile_scene(profile),
        "can_lose": can_lose,
        "recording": recording,
    }


LOWEST_SHOWN_DB = -100.0
WINDOW, REACH = 1 << 16, 1 << 13  # compared samples, and the longest delay searched for
LEAST_PEAK = 0.25  # least peak of a valid delay; noise reaches 0.14


def now(control: Control) -> dict[str, Any]:
    """Return the mixer and the meters, sent many times a second. Levels in dB of full scale."""
    controls, worker_status, playback_status = control.controls, control.worker_status, control.playback_status
    runs = playback_status.state == RUNNING  # without a device the meters are at rest
    return {
        "faders_db": dict(zip(STEMS, controls.array("gains_db").tolist(), strict=True)),
        "muted": [stem for k, stem in enumerate(STEMS) if controls.array("muted")[k]],
        "solo": [stem for k, stem in enumerate(STEMS) if controls.array("solo")[k]],
        "step": STEPS[controls.step],
        "loss": bool(controls.loss),
        "level_db": controls.level_db,
        "panic": bool(controls.panic),
        "stems_db": [_db(float(power) ** 0.5 * runs) for power in worker_status.array("stems")],
        "ears_db": [_db(float(peak) * runs) for peak in playback_status.array("peaks")],
        "limited": worker_status.array("limited").tolist(),
        "sound": _sound(control),
        "seconds": playback_status.position / AID_RATE_HZ,
    }


def health(control: Control, rings: Rings) -> dict[str, Any]:
    """Return the session's load, late blocks, rings and latency, sent about once a second."""
    worker_status, playback_status = control.worker_status, control.playback_status
    message: dict[str, Any] = {
        "late_blocks": worker_status.late_blocks,
        "blocks": worker_status.blocks,
        "fallbacks": playback_status.fallbacks,
        "fallback_share": playback_status.dry_samples / max(playback_status.position, 1),
        "xruns": playback_status.xruns,
        "starved": playback_status.starved,
        "non_finite": worker_status.non_finite,
        "workers": worker_status.starts,
    }
    if playback_status.period and worker_status.blocks and worker_status.latency:
        times = load(worker_status.seconds(), playback_status.period, AID_RATE_HZ)
        message["load"] = {"p50_ms": times.p50_ms, "p99_ms": times.p99_ms, "deadline_ms": times.deadline_ms}
        message["rings"] = fill(control, rings)
        message["latency"] = latency(control)
    return message


def fill(control: Control, rings: Rings) -> dict[str, float]:
    """Return the fill of the rings as shares: the worker's finished part of its turn, and the feed."""
    position, feed = control.playback_status.position, rings.feed
    ready = max(0, rings.wet.head - position) / (turn(control.playback_status.period) - FADE)
    ahead = 1.0 if feed.ended else max(0, feed.head - position) / feed.capacity
    return {"worker": min(ready, 1.0), "file": min(ahead, 1.0)}


def latency(control: Control) -> dict[str, Any]:
    """Return the ledger of the session, and the device's reported latency."""
    return {**ledger(control, AID_RATE_HZ).to_json(), "reported_ms": control.playback_status.reported_ms}


def delay(control: Control, rings: Rings) -> dict[str, Any] | None:
    """Return the delay from input to output in samples, and its peak (0 .. 1); None for a low peak.

    Estimated from the newest seconds of both, so it needs sound. The device's own delay is excluded.
    """
    begin = control.playback_status.position - WINDOW - 2 * REACH
    if begin < 0 or rings.source.ready(begin) < WINDOW or rings.played.ready(begin) < WINDOW + REACH:
        return None
    song, played = np.zeros((2, WINDOW), np.float32), np.zeros((2, WINDOW + REACH), np.float32)
    rings.source.read(begin, song)
    rings.played.read(begin, played)
    samples, likeness = whitened_peak(song.sum(axis=0), played.sum(axis=0), REACH)
    return {"samples": samples, "likeness": likeness} if likeness > LEAST_PEAK else None


def _sound(control: Control) -> str:
    """Return a description of the present output."""
    controls, worker_status, playback_status = control.controls, control.worker_status, control.playback_status
    words = (
        (playback_status.state == ENDED or controls.stop, "ended"),
        (playback_status.state != RUNNING, "no device: it is being opened"),
        (controls.panic, "silent: panic"),
        (controls.silent, "silent"),
        (controls.profile_number != worker_status.profile_number, "silent: the profile is changing"),
        (worker_status.state not in (READY, CHANGING), "dry signal: a new worker is starting"),
        (playback_status.dry, "dry signal: the worker is late"),
    )
    return next((word for so, word in words if so), "playing")


def _db(amplitude: float) -> float:
    return max(gain_to_db(amplitude), LOWEST_SHOWN_DB)
