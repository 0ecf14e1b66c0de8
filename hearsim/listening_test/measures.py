"""Measures of a stimulus for the manifest: loudness and level per ear, and objective metrics against the reference."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hearsim.core.audio import EARS
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, gain_to_db
from hearsim.listening_test.excerpts import Excerpt
from hearsim.listening_test.stimuli import Stimulus
from hearsim.metrics.loudness import integrated_lufs, true_peak_dbtp
from hearsim.metrics.pair import Pair
from hearsim.metrics.registry import compute_pair, pair_names

SILENCE_DB = -200.0
Table = dict[str, Any]


def measure(stimulus: Stimulus, reference: Stimulus, excerpt: Excerpt, full_scale_db_spl: float) -> Table:
    """Return loudness, levels and metrics of a stimulus; `unavailable` has the reason for each missing one.

    `full_scale_db_spl` is the level of a sample RMS of 1.0 in the files at calibrated playback. The metrics compare
    with the reference; those of the vocals with the true vocals, dry.
    """
    unavailable: dict[str, str] = {}
    metrics: dict[str, float] = {}

    def note(name: str, compute: Callable[[], float]) -> None:
        try:
            metrics[name] = compute()
        except HearsimError as error:
            unavailable[name] = str(error)

    vocals = excerpt.stems["vocals"][:, excerpt.part] if "vocals" in excerpt.stems else None
    sounds = (reference.samples, stimulus.samples)
    pair = Pair(AID_RATE_HZ, lambda: sounds, vocals, f"song {excerpt.name} has no true vocals")
    pair.add(*sounds)
    pair.finish()
    for name in pair_names("reference", "stems"):
        note(name, lambda name=name: compute_pair(name, pair))  # type: ignore[misc]
    ears: dict[str, Table] = {}
    for ear, channel in zip(EARS, stimulus.samples, strict=True):
        rms, peak = _rms_dbfs(channel), max(SILENCE_DB, gain_to_db(float(np.abs(channel).max())))
        ears[ear] = {"rms_db_spl": rms + full_scale_db_spl, "rms_dbfs": rms, "peak_dbfs": peak, "lufs": None}
        ears[ear]["true_peak_dbtp"] = true_peak_dbtp(channel[None], AID_RATE_HZ)
        try:
            ears[ear]["lufs"] = integrated_lufs(channel[None], AID_RATE_HZ)
        except HearsimError as error:
            unavailable[f"lufs {ear}"] = str(error)
    return {"ears": ears, "metrics": metrics, "unavailable": unavailable}


def _rms_dbfs(channel: FloatArray) -> float:
    return max(SILENCE_DB, gain_to_db(math.sqrt(float(np.mean(np.square(channel, dtype=np.float64))))))
