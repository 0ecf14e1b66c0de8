"""The metrics of an experiment: a figure for each cell, by name."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, samples_to_ms
from hearsim.core.validation import nearest
from hearsim.metrics.cepstral import cepstral_correlation
from hearsim.metrics.loudness import integrated_lufs
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import STEMS
from hearsim.simulation.listening import ListeningCondition


class Metric(NamedTuple):
    """One metric: what it says in a sentence, its unit, and how it is computed of what a listener hears."""

    sentence: str
    unit: str
    of: Callable[[ListeningCondition], float]


def _csdr_db(reference: FloatArray, estimate: FloatArray, rate: int) -> float:
    meter = SdrMeter(rate)
    meter.add(reference, estimate)
    return meter.csdr_db()


def _remix_csdr_db(condition: ListeningCondition) -> float:
    if not condition.is_aided:
        raise HearsimError("there is no aid, and so no remix")
    return _csdr_db(condition.reference_remix, condition.remix, condition.song.rate)


def _stem_csdr_db(condition: ListeningCondition, stem: str) -> float:
    index = STEMS.index(stem)
    return _csdr_db(condition.true_stems.samples[index], condition.estimated_stems[index], condition.song.rate)


def _mean_csdr_db(condition: ListeningCondition) -> float:
    return float(np.mean([_stem_csdr_db(condition, stem) for stem in STEMS]))


METRICS: dict[str, Metric] = {
    "stoi_vocals": Metric(
        "STOI of what is heard against the true vocals: 0 to 1, higher is easier to understand",
        "0–1",
        lambda condition: condition.speech.value("heard", "stoi"),
    ),
    "estoi_vocals": Metric(
        "ESTOI of what is heard against the true vocals: 0 to 1, higher is easier to understand",
        "0–1",
        lambda condition: condition.speech.value("heard", "estoi"),
    ),
    "estoi_audible": Metric(
        "as estoi_vocals, but with the noise that a normal threshold amounts to: what can't be heard doesn't count",
        "0–1",
        lambda condition: condition.speech.value("audible", "estoi"),
    ),
    "cepstral_correlation_unprocessed": Metric(
        "cepstral correlation of what is heard with the song as normal ears hear it: 0 to 1, higher is more alike",
        "0–1",
        lambda condition: cepstral_correlation(condition.song_pa(), condition.heard_pa(), condition.song.rate),
    ),
    "cepstral_correlation_target": Metric(
        "cepstral correlation of what is heard with what would be heard if the stems were the true ones: 0 to 1",
        "0–1",
        lambda condition: cepstral_correlation(condition.target_pa(), condition.heard_pa(), condition.song.rate),
    ),
    "remix_csdr_db": Metric(
        "SDR of the remixed song, before the aid, against that of the true stems (whole clip; at most 100)",
        "dB",
        _remix_csdr_db,
    ),
    "vocals_csdr_db": Metric(
        "SDR of the separated vocals (whole clip; at most 100)",
        "dB",
        lambda condition: _stem_csdr_db(condition, "vocals"),
    ),
    "stems_csdr_db": Metric("SDR of the separated stems (whole clip; at most 100), their mean", "dB", _mean_csdr_db),
    "lufs": Metric(
        "loudness of what is heard, in full scale of the headphones",
        "LUFS",
        lambda condition: integrated_lufs(condition.heard, condition.song.rate),
    ),
    "mpo_events": Metric(
        "how often the limiter stepped in, both ears together", "times", lambda condition: float(condition.mpo_events)
    ),
    "live_delay_ms": Metric(
        "delay from microphone to ear, with the input block",
        "ms",
        lambda condition: samples_to_ms(condition.live_delay, condition.song.rate),
    ),
}


def metric(name: str) -> Metric:
    """Return a metric by name; raises `HearsimError`, naming the nearest, where there is no such metric."""
    if name not in METRICS:
        near = nearest(name, list(METRICS)) or f"there are {', '.join(METRICS)}"
        raise HearsimError(f"no metric is called {name!r}: {near}")
    return METRICS[name]
