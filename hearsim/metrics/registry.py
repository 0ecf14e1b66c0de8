"""The registry of objective metrics: meaning, unit, range, source and computation of each.

To add a metric, add its entry to `METRICS` here. Another package adds one by an entry
point under `hearsim.metrics` that names a `Metric`, or a function from a `Condition` to a number, with a docstring.
Experiments, `Result.score`, `hearsim score`, listening tests, `hearsim metrics` and reports read this table.

    [project.entry-points."hearsim.metrics"]
    my-metric = "my_package.metrics:my_metric"
"""

import inspect
import math
from collections.abc import Callable
from functools import partial

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.core.plugins import failure, load_plugin, plugin_names
from hearsim.core.units import FloatArray, samples_to_ms
from hearsim.core.validation import nearest
from hearsim.metrics.cepstral import cepstral_correlation
from hearsim.metrics.loudness import integrated_lufs
from hearsim.metrics.metric import Condition, Metric, Need
from hearsim.metrics.pair import Pair
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import STEMS


def _csdr_db(reference: FloatArray, estimate: FloatArray, rate: int) -> float:
    meter = SdrMeter(rate)
    meter.add(reference, estimate)
    return meter.csdr_db()


def _remix_csdr_db(condition: Condition) -> float:
    if not condition.is_aided:
        raise HearsimError("there is no aid, and so no remix")
    return _csdr_db(condition.reference_remix, condition.remix, condition.song.rate)


def _stem_csdr_db(condition: Condition, stem: str) -> float:
    index = STEMS.index(stem)
    return _csdr_db(condition.true_stems.samples[index], condition.estimated_stems[index], condition.song.rate)


def _mean_csdr_db(condition: Condition) -> float:
    return float(np.mean([_stem_csdr_db(condition, stem) for stem in STEMS]))


def _rising(
    unit: str,
    low: float,
    high: float,
    label: str,
    sentence: str,
    needs: tuple[Need, ...],
    source: str,
    of: Callable[[Condition], float] | None = None,
    of_pair: Callable[[Pair], float] | None = None,
) -> Metric:
    """Return a metric for which higher is better."""
    return Metric(sentence, unit, of, low, high, "higher", needs, source, of_pair, label)


_share = partial(_rising, "0–1", 0.0, 1.0)
_ratio = partial(_rising, "dB", -100.0, 100.0)
_STOI, _ESTOI = "Taal et al. 2011", "Jensen & Taal 2016"
_CEPSTRAL = "after Kates & Arehart 2010, without their ear model"
_MDX = "Mitsufuji et al. 2022 (MDX)"

METRICS: dict[str, Metric] = {
    "stoi_vocals": _share(
        "STOI of the vocals",
        "STOI of the sound, the mean of both ears, against the true vocals: 0 to 1, higher is easier to understand",
        ("stems",),
        _STOI,
        lambda condition: condition.speech.value("heard", "stoi"),
        lambda pair: pair.vocals_speech.value("processed", "stoi"),
    ),
    "estoi_vocals": _share(
        "ESTOI of the vocals",
        "ESTOI of the sound, the mean of both ears, against the true vocals: 0 to 1, higher is easier to understand",
        ("stems",),
        _ESTOI,
        lambda condition: condition.speech.value("heard", "estoi"),
        lambda pair: pair.vocals_speech.value("processed", "estoi"),
    ),
    "estoi_audible": _share(
        "ESTOI of the vocals, as far as audible",
        "as estoi_vocals, with noise at the threshold of normal hearing added: inaudible sound doesn't count",
        ("stems", "listener"),
        f"{_ESTOI}; threshold noise of ANSI S3.5-1997",
        lambda condition: condition.speech.value("audible", "estoi"),
    ),
    "cepstral_correlation_unprocessed": _share(
        "Cepstral correlation with the song",
        "cepstral correlation of the heard sound with the song for normal ears: 0 to 1, higher is more alike",
        ("song", "listener"),
        _CEPSTRAL,
        lambda condition: cepstral_correlation(condition.song_pa(), condition.heard_pa(), condition.song.rate),
    ),
    "cepstral_correlation_target": _share(
        "Cepstral correlation with perfect separation",
        "cepstral correlation of the heard sound with that of an aid with the true stems: 0 to 1",
        ("stems", "listener"),
        _CEPSTRAL,
        lambda condition: cepstral_correlation(condition.target_pa(), condition.heard_pa(), condition.song.rate),
    ),
    "remix_csdr_db": _ratio(
        "SDR of the remix",
        "SDR of the remixed song, before the aid, against that of the true stems (whole clip; at most 100)",
        ("stems", "aid"),
        _MDX,
        _remix_csdr_db,
    ),
    "vocals_csdr_db": _ratio(
        "SDR of the separated vocals",
        "SDR of the separated vocals (whole clip; at most 100)",
        ("stems",),
        _MDX,
        lambda condition: _stem_csdr_db(condition, "vocals"),
    ),
    "stems_csdr_db": _ratio(
        "SDR of the separated stems",
        "SDR of the separated stems (whole clip; at most 100), their mean",
        ("stems",),
        _MDX,
        _mean_csdr_db,
    ),
    "lufs": Metric(
        "loudness of the heard sound, in full scale of the headphones",
        "LUFS",
        lambda condition: integrated_lufs(condition.heard, condition.song.rate),
        low=-70.0,
        source="ITU-R BS.1770-4",
        label="Loudness of the file, BS.1770-4",
    ),
    "mpo_events": Metric(
        "number of limiter events, both ears together",
        "times",
        lambda condition: float(condition.mpo_events),
        low=0.0,
        better="lower",
        needs=("aid",),
        label="Limiter",
    ),
    "live_delay_ms": Metric(
        "delay from microphone to ear, with the input block",
        "ms",
        lambda condition: samples_to_ms(condition.live_delay, condition.song.rate),
        low=0.0,
        better="lower",
        needs=("aid",),
        label="Live delay",
    ),
    "sii": _share("SII", "Speech Intelligibility Index at the eardrum", ("listener",), "ANSI S3.5-1997, 1/3 octaves"),
    "stoi": _share(
        "STOI",
        "STOI of the processed sound against the reference, each the mean of both channels",
        ("reference",),
        _STOI,
        of_pair=lambda pair: pair.speech.value("processed", "stoi"),
    ),
    "estoi": _share(
        "ESTOI",
        "ESTOI of the processed sound against the reference, each the mean of both channels",
        ("reference",),
        _ESTOI,
        of_pair=lambda pair: pair.speech.value("processed", "estoi"),
    ),
    "si_sdr_db": _ratio(
        "SI-SDR",
        "scale-invariant SDR (SI-SDR), whole clip",
        ("reference",),
        "Le Roux et al. 2019, eq. 2",
        of_pair=lambda pair: pair.sdr.si_sdr_db(),
    ),
    "csdr_db": _ratio(
        "SDR of the whole clip (cSDR)",
        "SDR of the whole clip (cSDR)",
        ("reference",),
        _MDX,
        of_pair=lambda pair: pair.sdr.csdr_db(),
    ),
    "energy_sdr_db": _ratio(
        "SDR, median of 1 s frames",
        "SDR, median of the 1 s frames in which the reference plays",
        ("reference",),
        _MDX,
        of_pair=lambda pair: pair.sdr.sdr_db(),
    ),
    "sdr_db": _ratio(
        "SDR, median of 1 s frames", "SDR of a stem, median of the 1 s frames in which it plays", ("stems",), _MDX
    ),
    "sdr_mixture_db": _ratio(
        "The same for the mixture, unseparated",
        "SDR of the unseparated mixture against a stem, median of 1 s frames",
        ("stems",),
        _MDX,
    ),
    "lag_samples": Metric(
        "delay of the processed sound",
        "samples",
        needs=("reference",),
        source="PHAT; Knapp & Carter 1976",
        label="Delay",
    ),
    "loudness_db_spl": Metric(
        "loudness in sound pressure, both ears added as in LUFS: input at the microphone, the rest at the headphones",
        "dB SPL",
        source="ITU-R BS.1770-4",
        label="Loudness in sound pressure",
    ),
    "peak_dbfs": Metric(
        "sample peak; the sound between samples can be higher", "dBFS", label="Sample peak of the file"
    ),
}


def metric(name: str) -> Metric:
    """Return a metric by name, hearsim's own or a plug-in's; raises `HearsimError`, naming the nearest, for others."""
    if name in METRICS:
        return METRICS[name]
    if name not in (all_names := names()):
        near = nearest(name, all_names) or f"there are {', '.join(all_names)}"
        raise HearsimError(f"no metric is called {name!r}: {near}")
    loaded = load_plugin("hearsim.metrics", name, METRICS)
    if isinstance(loaded, Metric):
        return loaded
    if not callable(loaded):
        raise HearsimError(f"the plug-in {name!r} (hearsim.metrics) is not a metric: name a Metric, or a function")
    return Metric((inspect.getdoc(loaded) or name).splitlines()[0], "", loaded)


def compute(name: str, condition: Condition) -> float:
    """Return a metric of a condition's heard sound; raises `HearsimError` where it can't be computed."""
    of = metric(name).of
    if of is None:
        from hearsim.metrics.places import places_of

        raise HearsimError(f"{name} is not a metric of the heard sound; computed by: {', '.join(places_of(name))}")
    return _number(name, lambda: of(condition))


def compute_pair(name: str, pair: Pair) -> float:
    """Return a metric of a sound and its reference; raises `HearsimError` where it can't be computed."""
    of_pair = metric(name).of_pair
    if of_pair is None:
        raise HearsimError(f"{name} is not a metric of a sound and its reference: experiments and reports compute it")
    return _number(name, lambda: of_pair(pair))


def _number(name: str, computed: Callable[[], float]) -> float:
    """Return a finite number; raises `HearsimError` where a plug-in fails or returns anything else."""
    if name in METRICS:
        return float(computed())
    try:
        value = float(computed())
    except HearsimError:
        raise
    except Exception as error:  # any error of the plug-in
        raise failure("hearsim.metrics", name, error) from error
    if not math.isfinite(value):
        raise HearsimError(f"the plug-in {name!r} (hearsim.metrics) returns {value}: a metric is a finite number")
    return value


def heard_names() -> list[str]:
    """Return the names of metrics for experiments: hearsim's own, then plug-ins'."""
    return [name for name in names() if (one := _loaded(name)) is None or one.of is not None]


def pair_names(*inputs: Need) -> list[str]:
    """Return the names of the metrics of a sound and its reference that need only `inputs`."""
    loaded = ((name, _loaded(name)) for name in names())
    return [
        name for name, one in loaded if one is not None and one.of_pair is not None and set(one.needs) <= set(inputs)
    ]


def _loaded(name: str) -> Metric | None:
    """Return a metric; None for a broken plug-in, whose error is raised where it is used."""
    try:
        return metric(name)
    except HearsimError:
        return None


def names() -> list[str]:
    """Return the names of all metrics, hearsim's own first."""
    return [*METRICS, *plugin_names("hearsim.metrics", METRICS)]
