"""report.json of a render, schema "hearsim.report/1": plain floats, no NaN."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hearsim.aid.compensation import compensation
from hearsim.aid.fitting.fitting import LEVELS_DB_SPL
from hearsim.core.audio import EARS
from hearsim.core.audio_files import AID_RATE_HZ, sha256_of
from hearsim.core.errors import HearsimError
from hearsim.core.latency import latency_json, load_of
from hearsim.core.probing import measure, measured_ledger
from hearsim.core.processor import walk
from hearsim.core.provenance import provenance
from hearsim.core.units import Curve
from hearsim.dsp.bands import AUDIOMETRIC_HZ, NOMINAL_THIRD_OCTAVES_HZ
from hearsim.ear.vent import eardrum_level_db
from hearsim.metrics.loudness import LoudnessMeter
from hearsim.profile.schema import STEMS, Profile
from hearsim.simulation.audibility import sii_in_music, sii_in_quiet
from hearsim.simulation.streaming import Result

Table = dict[str, Any]


def collect(result: Result, folder: Path, outputs: list[Path]) -> Table:
    """Return the report of a render; `outputs` are its files in `folder`."""
    profile, source = result.profile, result.source
    counts = {  # before the latency is measured, which resets them
        "mpo_events": dict(zip(EARS, result.limiter.events, strict=True)),
        "non_finite_samples": sum(sum(stage.non_finite) for stage in walk(result.aid)),
    }
    broken = result.separator.non_finite_blocks
    unavailable: Table = {}
    metrics = _metrics(result, unavailable)
    return {
        "schema": "hearsim.report/1",
        "made": provenance(),
        "profile": profile.name,
        "input": {
            "path": str(source.path),
            "sha256": source.sha256,
            "rate_hz": source.file_rate,
            "channels": source.file_channels,
            "frames": source.file_frames,
            "seconds": source.seconds,
            "lufs": metrics.get("lufs", {}).get("input"),
        },
        "listener": profile.listener.model_dump(mode="json"),
        "mix": {stem: _gain(profile.mix.gain(stem)) for stem in STEMS},
        "aid": profile.aid.model_dump(mode="json") | {"block_samples": profile.block_samples},
        "rig": profile.rig.model_dump(mode="json"),
        "model": {
            **result.separator.identity()._asdict(),
            "backend": result.separator.backend,
            "non_finite_blocks": broken,
        },
        "fitting": fitting(result.profile),
        "levels": _levels(result, counts),
        "metrics": {**metrics, "unavailable": unavailable},
        "latency": _latency(result),
        "outputs": [_output(path, folder, result.loudness | result.stem_loudness) for path in outputs],
    }


def _output(path: Path, folder: Path, meters: dict[str, LoudnessMeter]) -> Table:
    meter = meters[path.stem]
    try:
        lufs = meter.integrated()
    except HearsimError:  # silence, or less than 0.4 s
        lufs = None
    name, sha256 = path.relative_to(folder).as_posix(), sha256_of(path)
    return {
        "path": name,
        "sha256": sha256,
        "lufs": lufs,
        "peak_dbfs": meter.peak_dbfs(),
        "true_peak_dbtp": meter.true_peak_dbtp(),
    }


def _gain(factor: float) -> float | None:
    """Return a gain in dB; None is a muted stem (JSON has no minus infinity)."""
    return round(20 * math.log10(factor), 6) if factor > 0 else None


def _latency(result: Result) -> Table:
    ledger = measured_ledger(result.aid, result.fmt)
    measured = replace(ledger, measured_samples=measure(result.aid, result.fmt))
    return latency_json(measured, load_of(result.seconds, result.fmt), result.profile.aid.scenario)


def fitting(profile: Profile) -> Table:
    """Return per ear the rule and the gains in dB at input levels of 50, 65 and 80 dB SPL.

    `insertion_gain_db` is the aid's own; with a vent `eardrum_gain_db` is that of its leak and the direct sound.
    """
    stage = compensation(profile)
    table: Table = {}
    for index, ear in enumerate(EARS):
        gains = {f"{level:g}": stage.insertion_gain_db(level)[index].tolist() for level in LEVELS_DB_SPL}
        rule = profile.aid.rule
        table[ear] = {"rule": rule, "frequencies_hz": list(AUDIOMETRIC_HZ), "insertion_gain_db": gains}
        if vent := profile.aid.vent:
            table[ear]["eardrum_gain_db"] = {
                level: eardrum_level_db(
                    np.array(own), 0.0, vent.cutoff_hz, np.array(AUDIOMETRIC_HZ), AID_RATE_HZ
                ).tolist()
                for level, own in gains.items()
            }
        if compression := profile.aid.compression:
            ratios = stage.compression_ratio[index].tolist()
            table[ear]["compression_ratio"] = {"set": compression.ratio, "in_force": ratios}
    return table


def _levels(result: Result, counts: Table) -> Table:
    def per_ear(levels: Curve | list[float]) -> Table:
        return dict(zip(EARS, np.asarray(levels).tolist(), strict=True))

    return {
        "bands_hz": list(NOMINAL_THIRD_OCTAVES_HZ[: len(result.levels["input"].bands_hz)]),
        "input_db_spl": per_ear(result.levels["input"].db_spl()),
        "aided_db_spl": per_ear(result.levels["aided"].db_spl()),
        "mpo_db_spl": per_ear(list(result.profile.mpo_db_spl)),
        "peak_db_spl": per_ear(result.levels["aided"].peak_db_spl()),
        **counts,
    }


def _metrics(result: Result, unavailable: Table) -> Table:
    """Return all computed metrics; `unavailable` gets the reason for each other one."""
    metrics: Table = {}

    def note(name: str, key: str, compute: Callable[[], float]) -> None:
        try:
            value = compute()
        except HearsimError as error:
            unavailable[f"{name} {key}"] = str(error)
        else:
            metrics.setdefault(name, {})[key] = value

    for version, meter in result.loudness.items():
        note("lufs", version, meter.integrated)
        note("peak_dbfs", version, meter.peak_dbfs)
    for version, lufs in metrics.get("lufs", {}).items():
        end = result.profile.rig.microphone if version == "input" else result.profile.rig.headphones
        metrics.setdefault("loudness_db_spl", {})[version] = lufs + end.full_scale_db_spl
    speech = result.speech
    if speech is None:
        unavailable["stoi_vocals"] = unavailable["estoi_vocals"] = (
            "there are no true vocals: give their folder with --stems"
        )
    else:
        for version in result.loudness:
            note("stoi_vocals", version, lambda version=version: speech.value(version, "stoi"))  # type: ignore[misc]
            note("estoi_vocals", version, lambda version=version: speech.value(version, "estoi"))  # type: ignore[misc]
    if not result.sdr:
        unavailable["si_sdr_db"] = unavailable["sdr_db"] = unavailable["csdr_db"] = (
            "there are no true stems: give their folder with --stems"
        )
    for stem, (estimate, mixed) in result.sdr.items():
        note("si_sdr_db", stem, estimate.si_sdr_db)
        note("sdr_db", stem, estimate.sdr_db)
        note("sdr_mixture_db", stem, mixed.sdr_db)
        note("csdr_db", stem, estimate.csdr_db)
    metrics["sii"] = _sii(result, unavailable)
    return metrics


def _sii(result: Result, unavailable: Table) -> Table:
    """Return the SII per ear: normal speech in quiet, and the vocals in the music, unaided and aided."""
    table: Table = sii_in_quiet(result.profile, result.fmt.rate)
    if result.voice is None:
        unavailable["sii music"] = "there are no true vocals: give their folder with --stems"
        return table
    return table | sii_in_music(result.voice, result.levels["aided"], result.profile, result.fmt.rate)
