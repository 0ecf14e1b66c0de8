"""The metrics of an experiment: a figure for each cell, by name."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, samples_to_ms
from hearsim.metrics.cepstral import cepstral_correlation
from hearsim.metrics.loudness import integrated_lufs
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import STEMS
from hearsim.simulation.listening import Scene


class Metric(NamedTuple):
    """One metric: what it says in a sentence, its unit, and how it is computed of what a listener hears."""

    sentence: str
    unit: str
    of: Callable[[Scene], float]


def _csdr_db(reference: FloatArray, estimate: FloatArray, rate: int) -> float:
    meter = SdrMeter(rate)
    meter.add(reference, estimate)
    return meter.csdr_db()


def _remix_csdr_db(scene: Scene) -> float:
    if not scene.worn:
        raise HearsimError("there is no aid, and so no remix")
    return _csdr_db(scene.remixed_truly, scene.remixed, scene.song.rate)


def _stem_csdr_db(scene: Scene, stem: str) -> float:
    index = STEMS.index(stem)
    return _csdr_db(scene.truth.samples[index], scene.found[index], scene.song.rate)


def _mean_csdr_db(scene: Scene) -> float:
    return float(np.mean([_stem_csdr_db(scene, stem) for stem in STEMS]))


METRICS: dict[str, Metric] = {
    "stoi_vocals": Metric(
        "STOI of what is heard against the true vocals: 0 to 1, higher is easier to understand",
        "0–1",
        lambda scene: scene.speech.value("heard", "stoi"),
    ),
    "estoi_vocals": Metric(
        "ESTOI of what is heard against the true vocals: 0 to 1, higher is easier to understand",
        "0–1",
        lambda scene: scene.speech.value("heard", "estoi"),
    ),
    "estoi_audible": Metric(
        "as estoi_vocals, but with the noise that a normal threshold amounts to: what can't be heard doesn't count",
        "0–1",
        lambda scene: scene.speech.value("audible", "estoi"),
    ),
    "quality": Metric(
        "cepstral correlation of what is heard with the song as normal ears hear it: 0 to 1, higher is more alike",
        "0–1",
        lambda scene: cepstral_correlation(scene.song_pa(), scene.heard_pa(), scene.song.rate),
    ),
    "fidelity": Metric(
        "cepstral correlation of what is heard with what would be heard if the stems were the true ones: 0 to 1",
        "0–1",
        lambda scene: cepstral_correlation(scene.target_pa(), scene.heard_pa(), scene.song.rate),
    ),
    "remix_csdr_db": Metric(
        "SDR of the remixed song, before the aid, against that of the true stems (whole clip; at most 100)",
        "dB",
        _remix_csdr_db,
    ),
    "vocals_csdr_db": Metric(
        "SDR of the separated vocals (whole clip; at most 100)", "dB", lambda scene: _stem_csdr_db(scene, "vocals")
    ),
    "stems_csdr_db": Metric("SDR of the separated stems (whole clip; at most 100), their mean", "dB", _mean_csdr_db),
    "lufs": Metric(
        "loudness of what is heard, in full scale of the headphones",
        "LUFS",
        lambda scene: integrated_lufs(scene.heard, scene.song.rate),
    ),
    "mpo_events": Metric(
        "how often the limiter stepped in, both ears together", "times", lambda scene: float(scene.limited)
    ),
    "live_delay_ms": Metric(
        "delay from microphone to ear, with the input block", "ms", lambda s: samples_to_ms(s.delay, s.song.rate)
    ),
}
