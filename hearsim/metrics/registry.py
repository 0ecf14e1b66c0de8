"""The one registry of objective metrics: what each says, of what it is computed, and how.

To add a metric, add its entry to `METRICS` here. A package of your own adds one without touching hearsim, by an entry
point under `hearsim.metrics` that names a `Metric`, or a function from a `Condition` to a number, with a docstring.

    [project.entry-points."hearsim.metrics"]
    my-metric = "my_package.metrics:my_metric"
"""

import inspect
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np

from hearsim.core.audio import Audio
from hearsim.core.errors import HearsimError
from hearsim.core.plugins import load_plugin, plugin_names
from hearsim.core.units import FloatArray, samples_to_ms
from hearsim.core.validation import nearest
from hearsim.metrics.cepstral import cepstral_correlation
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.loudness import integrated_lufs
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import STEMS

Better = Literal["higher", "lower", ""]
Need = Literal["reference", "stems", "listener", "aid", "song"]


class Condition(Protocol):
    """What a listener hears, and what it is compared with; sounds (2, frames), in full scale or pascals.

    Properties raise `HearsimError` where a condition has no such sound.
    """

    @property
    def is_aided(self) -> bool:
        """Whether the aid is worn."""

    @property
    def song(self) -> Audio:
        """The song as it comes in."""

    @property
    def true_stems(self) -> Audio:
        """The true stems (4, 2, frames)."""

    @property
    def estimated_stems(self) -> FloatArray:
        """The stems that the aid remixes (4, 2, frames)."""

    @property
    def remix(self) -> FloatArray:
        """The song remixed with the estimated stems, before the aid's compensation."""

    @property
    def reference_remix(self) -> FloatArray:
        """The song remixed with the true stems."""

    @property
    def heard(self) -> FloatArray:
        """The sound as the listener hears it, for normal ears, in full scale of the headphones."""

    @property
    def speech(self) -> StoiMeter:
        """The intelligibility of the vocals in the sound that is heard."""

    @property
    def mpo_events(self) -> int:
        """How often the limiter stepped in, both ears together."""

    @property
    def live_delay(self) -> int:
        """Samples from microphone to ear."""

    def heard_pa(self) -> FloatArray:
        """Return `heard` in pascals."""

    def target_pa(self) -> FloatArray:
        """Return what would be heard if the stems were the true ones, in pascals."""

    def song_pa(self) -> FloatArray:
        """Return the song in pascals."""


class Metric(NamedTuple):
    """One metric.

    Attributes
    ----------
    sentence
        What it says, in a sentence.
    unit, low, high
        Its unit, and the range of its values; None where there is no bound.
    better
        In which direction it is better, "" where neither is.
    needs
        What it is computed from.
    source
        The publication or norm.
    of
        Computes it of what a listener hears; None where it belongs to a render's report or to `hearsim score` alone.
    """

    sentence: str
    unit: str
    of: Callable[[Condition], float] | None = None
    low: float | None = None
    high: float | None = None
    better: Better = ""
    needs: tuple[Need, ...] = ()
    source: str = ""


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


def _share(
    sentence: str, needs: tuple[Need, ...], source: str, of: Callable[[Condition], float] | None = None
) -> Metric:
    """Return a metric from 0 to 1, the higher the better."""
    return Metric(sentence, "0–1", of, 0.0, 1.0, "higher", needs, source)


def _ratio(
    sentence: str, needs: tuple[Need, ...], source: str, of: Callable[[Condition], float] | None = None
) -> Metric:
    """Return a metric in dB, at most 100, the higher the better."""
    return Metric(sentence, "dB", of, -100.0, 100.0, "higher", needs, source)


_STOI, _ESTOI = "Taal et al. 2011", "Jensen & Taal 2016"
_CEPSTRAL = "after Kates & Arehart 2010, without their ear model"
_MDX = "Mitsufuji et al. 2022 (MDX)"

METRICS: dict[str, Metric] = {
    "stoi_vocals": _share(
        "STOI of what is heard against the true vocals: 0 to 1, higher is easier to understand",
        ("stems",),
        _STOI,
        lambda condition: condition.speech.value("heard", "stoi"),
    ),
    "estoi_vocals": _share(
        "ESTOI of what is heard against the true vocals: 0 to 1, higher is easier to understand",
        ("stems",),
        _ESTOI,
        lambda condition: condition.speech.value("heard", "estoi"),
    ),
    "estoi_audible": _share(
        "as estoi_vocals, but with the noise that a normal threshold amounts to: what can't be heard doesn't count",
        ("stems", "listener"),
        f"{_ESTOI}; threshold noise of ANSI S3.5-1997",
        lambda condition: condition.speech.value("audible", "estoi"),
    ),
    "cepstral_correlation_unprocessed": _share(
        "cepstral correlation of what is heard with the song as normal ears hear it: 0 to 1, higher is more alike",
        ("song", "listener"),
        _CEPSTRAL,
        lambda condition: cepstral_correlation(condition.song_pa(), condition.heard_pa(), condition.song.rate),
    ),
    "cepstral_correlation_target": _share(
        "cepstral correlation of what is heard with what would be heard if the stems were the true ones: 0 to 1",
        ("stems", "listener"),
        _CEPSTRAL,
        lambda condition: cepstral_correlation(condition.target_pa(), condition.heard_pa(), condition.song.rate),
    ),
    "remix_csdr_db": _ratio(
        "SDR of the remixed song, before the aid, against that of the true stems (whole clip; at most 100)",
        ("stems", "aid"),
        _MDX,
        _remix_csdr_db,
    ),
    "vocals_csdr_db": _ratio(
        "SDR of the separated vocals (whole clip; at most 100)",
        ("stems",),
        _MDX,
        lambda condition: _stem_csdr_db(condition, "vocals"),
    ),
    "stems_csdr_db": _ratio(
        "SDR of the separated stems (whole clip; at most 100), their mean", ("stems",), _MDX, _mean_csdr_db
    ),
    "lufs": Metric(
        "loudness of what is heard, in full scale of the headphones",
        "LUFS",
        lambda condition: integrated_lufs(condition.heard, condition.song.rate),
        low=-70.0,
        source="ITU-R BS.1770-4",
    ),
    "mpo_events": Metric(
        "how often the limiter stepped in, both ears together",
        "times",
        lambda condition: float(condition.mpo_events),
        low=0.0,
        better="lower",
        needs=("aid",),
    ),
    "live_delay_ms": Metric(
        "delay from microphone to ear, with the input block",
        "ms",
        lambda condition: samples_to_ms(condition.live_delay, condition.song.rate),
        low=0.0,
        better="lower",
        needs=("aid",),
    ),
    "sii": _share("Speech Intelligibility Index at the eardrum", ("listener",), "ANSI S3.5-1997, 1/3 octaves"),
    "stoi": _share("STOI of the processed sound against the reference", ("reference",), _STOI),
    "estoi": _share("ESTOI of the processed sound against the reference", ("reference",), _ESTOI),
    "si_sdr_db": _ratio("scale-invariant SDR (SI-SDR), whole clip", ("reference",), "Le Roux et al. 2019, eq. 2"),
    "csdr_db": _ratio("SDR of the whole clip (cSDR)", ("reference",), _MDX),
    "energy_sdr_db": _ratio("SDR, median of the 1 s frames in which the reference plays", ("reference",), _MDX),
    "sdr_db": _ratio("SDR of a stem, median of the 1 s frames in which it plays", ("stems",), _MDX),
    "sdr_mixture_db": _ratio("the same for the mixture, unseparated", ("stems",), _MDX),
    "lag_samples": Metric("by how much the processed sound comes later", "samples", needs=("reference",),
                          source="PHAT; Knapp & Carter 1976"),
    "peak_dbfs": Metric("sample peak; the sound between samples can be higher", "dBFS"),
}  # fmt: skip


def metric(name: str) -> Metric:
    """Return a metric by name, hearsim's own or a plug-in's; raises `HearsimError`, naming the nearest, for others."""
    if name in METRICS:
        return METRICS[name]
    names = [*METRICS, *plugin_names("hearsim.metrics", METRICS)]
    if name not in names:
        near = nearest(name, names) or f"there are {', '.join(names)}"
        raise HearsimError(f"no metric is called {name!r}: {near}")
    found = load_plugin("hearsim.metrics", name, METRICS)
    if isinstance(found, Metric):
        return found
    if not callable(found):
        raise HearsimError(f"the plug-in {name!r} (hearsim.metrics) is no metric: name a Metric, or a function")
    return Metric((inspect.getdoc(found) or name).splitlines()[0], "", found)


def compute(name: str, condition: Condition) -> float:
    """Return a metric of what a listener hears; raises `HearsimError` where it can't be computed."""
    if (of := metric(name).of) is None:
        raise HearsimError(f"{name} is no metric of what is heard: see a render's report, or hearsim score")
    return float(of(condition))


def heard_names() -> list[str]:
    """Return the names of the metrics of what is heard, which experiments can take: hearsim's own, then plug-ins'."""
    own = [name for name, one in METRICS.items() if one.of is not None]
    return own + plugin_names("hearsim.metrics", METRICS)


def names() -> list[str]:
    """Return the names of all metrics, hearsim's own first."""
    return [*METRICS, *plugin_names("hearsim.metrics", METRICS)]
