"""What the manifest says of a stimulus: loudness and level per ear, and objective metrics against the reference."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, gain_to_db
from hearsim.listening_test.excerpts import Excerpt
from hearsim.listening_test.stimuli import Stimulus
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.loudness import integrated_lufs
from hearsim.metrics.separation import SdrMeter

EARS = ("left", "right")
METRICS = ("stoi_vocals", "estoi_vocals", "si_sdr_db", "csdr_db")
SILENCE_DB = -200.0
Table = dict[str, Any]


def measure(stimulus: Stimulus, reference: Stimulus, excerpt: Excerpt, full_scale_db_spl: float) -> Table:
    """Return loudness, levels and metrics of a stimulus; what can't be computed is missing, `unavailable` says why.

    `full_scale_db_spl` is the level of a sample RMS of 1.0 in the files, when they are played as calibrated. The SDRs
    take the reference for the truth, STOI and ESTOI the true vocals, dry.
    """
    lost: dict[str, str] = {}
    found: dict[str, float] = {}

    def note(name: str, compute: Callable[[], float]) -> None:
        try:
            found[name] = compute()
        except HearsimError as error:
            lost[name] = str(error)

    sdr = SdrMeter(AID_RATE_HZ)
    sdr.add(reference.samples, stimulus.samples)
    note("si_sdr_db", sdr.si_sdr_db)
    note("csdr_db", sdr.csdr_db)
    if "vocals" in excerpt.stems:
        speech = StoiMeter(AID_RATE_HZ, ("stimulus",))
        speech.add_reference(excerpt.stems["vocals"][:, excerpt.part])
        speech.add("stimulus", stimulus.samples)
        speech.finish()
        note("stoi_vocals", lambda: speech.value("stimulus", "stoi"))
        note("estoi_vocals", lambda: speech.value("stimulus", "estoi"))
    else:
        lost["stoi_vocals"] = lost["estoi_vocals"] = f"song {excerpt.name} has no true vocals"
    ears: dict[str, Table] = {}
    for ear, channel in zip(EARS, stimulus.samples, strict=True):
        rms, peak = _rms_dbfs(channel), max(SILENCE_DB, gain_to_db(float(np.abs(channel).max())))
        ears[ear] = {"rms_db_spl": rms + full_scale_db_spl, "rms_dbfs": rms, "peak_dbfs": peak, "lufs": None}
        try:
            ears[ear]["lufs"] = integrated_lufs(channel[None], AID_RATE_HZ)
        except HearsimError as error:
            lost[f"lufs {ear}"] = str(error)
    return {"ears": ears, "metrics": found, "unavailable": lost}


def _rms_dbfs(channel: FloatArray) -> float:
    return max(SILENCE_DB, gain_to_db(math.sqrt(float(np.mean(np.square(channel, dtype=np.float64))))))
