"""report.html: one self-contained page without external files; its template is report.html.j2."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from hearsim.core.audio import EARS
from hearsim.core.errors import HearsimError
from hearsim.core.files import write_text
from hearsim.core.latency import COLUMNS, LatencyLedger, is_own, way_of_listening
from hearsim.core.units import Curve, FloatArray, counted
from hearsim.ear.vent import eardrum_level_db
from hearsim.metrics.metric import Metric
from hearsim.metrics.registry import METRICS
from hearsim.pages.html import Cell, fill, number, table
from hearsim.report.figures import (
    band_levels,
    by_kind,
    fitting,
    kind_colour,
    ledger_bar,
    measured_gain,
    spectrogram_picture,
)
from hearsim.report.player import LABELS, player
from hearsim.report.spectra import GAIN_BANDS_HZ, gain_db, spectrogram
from hearsim.simulation.clips import Excerpts

Table = dict[str, Any]
_METRICS: dict[str, tuple[str, ...]] = {  # the metrics of each table
    "The whole signal, by version (STOI: the true vocals against it, so the rest of the music is the masker)": (
        "stoi_vocals",
        "estoi_vocals",
        "loudness_db_spl",
        "lufs",
        "peak_dbfs",
    ),
    "The separated stems, against the true ones": ("sdr_db", "sdr_mixture_db", "csdr_db", "si_sdr_db"),
    "Speech Intelligibility Index, ANSI S3.5: speech in quiet, and the vocals in the music": ("sii",),
}


def _metrics(metrics: Table) -> Table:
    """Return a table per group of metrics, and the reasons for the missing ones that no table shows."""
    missing = dict(metrics["unavailable"])
    grouped = {name for group in _METRICS.values() for name in group}
    others = tuple(name for name in metrics if name not in grouped | {"unavailable"})
    groups = (*_METRICS.items(), ("Others", others))
    tables = [_metric_table(caption, group, metrics, missing) for caption, group in groups]
    return {"metrics": tables, "reasons": [(_plain(name), why) for name, why in missing.items()]}


def _metric_table(caption: str, group: tuple[str, ...], metrics: Table, missing: Table) -> Markup | str:
    """Return the table of a group, a column per version, stem or ear; reasons it prints leave `missing`."""
    rows_of_metrics: list[tuple[str, str, int, Table]] = []
    reasons: list[list[Cell]] = []
    for key in group:
        one = METRICS.get(key, Metric("", ""))
        label, unit, digits = one.label or _plain(key), one.unit, one.digits
        values = metrics.get(key, {})
        values = values if isinstance(values, dict) else {"value": values}
        if not values and key in missing:
            reasons.append([label, unit, f"not computed: {missing.pop(key)}"])
        elif any(isinstance(value, dict) for value in values.values()):
            rows_of_metrics += [(f"{label}, {_plain(name)}", unit, digits, value) for name, value in values.items()]
        elif values:
            rows_of_metrics.append((label, unit, digits, values))
    columns = list(dict.fromkeys(name for *_, values in rows_of_metrics for name in values)) or ["value"]
    rows = [
        [label, unit, *(number(row.get(name), digits) for name in columns)]
        for label, unit, digits, row in rows_of_metrics
    ]
    head = ("metric", "unit", *map(_plain, columns))
    numbers = len(columns) if rows else 0  # reasons are text, aligned to the left
    return table(caption, head, [*rows, *reasons], numbers) if rows or reasons else ""


def _plain(name: str) -> str:
    return name.replace("_", " ")


SCHEMA = "hearsim.report/1"


def write_page(report: Table, sounds: Excerpts, path: Path) -> None:
    """Write the page of a report, with a player of excerpts. Raises `HearsimError` for a report of another schema."""
    write_text(path, page(report, sounds))


def page(report: Table, sounds: Excerpts) -> str:
    """Return the page as HTML: the same report gives the same text. Parameters and errors as `write_page`."""
    if report.get("schema") != SCHEMA:
        schema = report.get("schema")
        raise HearsimError(f"the report's schema is {schema!r}, not {SCHEMA!r}: render the song again")
    levels = report["levels"]
    pressures = {
        n: sounds.full_scale.pascal_per_unit * sounds.sounds[n] for n in ("input", "unaided", "aided", "heard")
    }
    gain, vent = gain_db(pressures["input"], pressures["aided"], sounds.rate), report["aid"]["vent"]
    if vent:
        gain = eardrum_level_db(gain, 0.0, vent["cutoff_hz"], np.array(GAIN_BANDS_HZ), sounds.rate)
    filled = fill(
        "report/report.html.j2",
        title=f"{Path(report['input']['path']).name}, rendered with the profile {report['profile']}",
        summary=_summary(report),
        player=player(sounds),
        spectrograms=_spectrograms(pressures, sounds.rate),
        gains={ear: measured_gain(report, gain, ear) for ear in EARS},
        gain_table=_gain_table(gain, "the eardrum" if vent else "aided sound"),
        vent=vent,
        stages=report["aid"].get("stages"),
        fitting={ear: fitting(report, ear) for ear in EARS},
        fitting_tables=[_fitting_table(report, ear) for ear in EARS],
        rules=" and ".join(sorted({fit["rule"] for fit in report["fitting"].values()})),
        levels={ear: band_levels(report, ear) for ear in EARS},
        level_tables=[_level_table(levels, ear) for ear in EARS],
        limiter=_limiter(levels),
        invalid_samples=levels["non_finite_samples"],
        mix=_mix(report["mix"]),
        files=_files(report),
        rig=report["rig"],
        scales_differ=len({report["rig"][f"{end}_full_scale_db_spl"] for end in ("microphone", "headphones")}) > 1,
        made=report["made"],
        **_latency(report["latency"]),
        **_metrics(report["metrics"]),
    )
    return str(filled)


def _spectrograms(pressures: Mapping[str, FloatArray], rate: int) -> list[tuple[str, Markup]]:
    """Return label and picture of all versions but the input, on one scale of levels."""
    pictures = {name: spectrogram(sound, rate) for name, sound in pressures.items() if name != "input"}
    loudest = max(float(one.levels_db_spl.max()) for one in pictures.values())
    return [(LABELS[name], spectrogram_picture(one, name, LABELS[name], loudest)) for name, one in pictures.items()]


def _gain_table(gain: Curve, place: str) -> Markup:
    lines = {
        f"{ear}, dB": {f: g for f, g in zip(GAIN_BANDS_HZ, row.tolist(), strict=True) if not math.isnan(g)}
        for ear, row in zip(EARS, gain, strict=True)
    }
    return _over_frequency(f"Measured gain from input to {place}, 1/3 octaves", lines)


def _summary(report: Table) -> str:
    latency, times = report["latency"], sum(report["levels"]["mpo_events"].values())
    verdicts = ((word, _ways(latency, ok)) for word, ok in (("in time", True), ("too late", False)))
    in_time = ", ".join(f"{word} for {ways}" for word, ways in verdicts if ways)
    return (
        f"{report['input']['seconds']:.1f} s of sound for the listener {report['listener']['name']}: "
        f"{latency['total_ms']:.1f} ms from microphone to ear, {in_time}; "
        f"the limiter stepped in {counted(times, 'time')}."
    )


def _ways(latency: Table, ok: bool) -> str:
    return " and ".join(way_of_listening(one, latency) for one in latency["verdicts"] if one["ok"] == ok)


def _swatch(kind: str) -> Markup:
    return Markup('<span class="kind"><i style="background:{}"></i>{}</span>').format(kind_colour(kind), kind)


def _latency(latency: Table) -> Table:
    """Return the ledger as a bar and a table, the compute time and the verdicts."""
    ledger = LatencyLedger.from_json(latency)
    rows: list[list[Cell]] = [
        [name, _swatch(kind) if count < len(ledger.entries) else kind, source, samples, own or so_far]
        for count, (name, kind, source, samples, own, so_far) in enumerate(ledger.rows())
    ]
    measured = latency["measured_samples"]
    difference = measured - latency["total_samples"]
    agree = (
        "Declared and measured delay are the same, to the sample."
        if difference == 0
        else f"The measured delay differs from the declared one by {number(difference, 0, '+')} samples: a fault."
    )
    return {
        "ledger_bar": ledger_bar(latency),
        "kinds": [(_swatch(kind), number(ms, 2)) for kind, ms in by_kind(latency).items()],
        "ledger": table(f"Delay ledger at {latency['rate_hz']} Hz", COLUMNS[:-1], rows, 2, sums=3),
        "agreement": " ".join([agree, *(f"{one}." for one in ledger.advice())]),
        "compute": _compute(latency),
        "verdicts": _verdicts(latency),
    }


def _compute(latency: Table) -> Markup:
    times = latency["compute_ms"]
    row = [number(latency["deadline_ms"], 2), *(number(times[key], 2) for key in ("p50", "p99", "max"))]
    in_time = times["p99"] <= latency["deadline_ms"]
    verdict = _verdict(in_time, "in time at p99", "too slow at p99")
    return table(
        "Compute time per block: a deadline, no part of the delay",
        ("verdict", "deadline, ms", "p50, ms", "p99, ms", "max, ms", "load at p99"),
        [[verdict, *row, f"{number(100 * latency['load_p99'])}\u00a0%"]],
        5,
    )


def _verdicts(latency: Table) -> Markup:
    rows: list[list[Cell]] = []
    for one in latency["verdicts"]:
        limit = "none" if one["limit_ms"] is None else f"{one['limit_ms']:g}\u00a0ms"
        name = Markup("<strong>{}</strong>" if is_own(one, latency) else "{}").format(way_of_listening(one, latency))
        rows.append([name, limit, _verdict(one["ok"], one["sentence"], one["sentence"])])
    return table("Is the live delay short enough?", ("way of listening", "limit", "verdict"), rows, 0)


def _verdict(good: bool, yes: str, no: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format("yes" if good else "no", yes if good else no)


def _fitting_table(report: Table, ear: str) -> Markup:
    loss, fit = report["listener"][ear], report["fitting"][ear]
    lines = {"threshold, dB HL": dict(zip(loss["frequencies_hz"], loss["thresholds_db_hl"], strict=True))}
    for key, place in (("insertion_gain_db", "gain of the aid"), ("eardrum_gain_db", "gain at the eardrum")):
        for level, gains in fit.get(key, {}).items():
            lines[f"{place} at {level} dB SPL, dB"] = dict(zip(fit["frequencies_hz"], gains, strict=True))
    ratio = fit.get("compression_ratio")
    if ratio and any(abs(one - ratio["set"]) > 0.005 for one in ratio["in_force"]):
        lines[f"ratio in force ({ratio['set']:g} set)"] = dict(
            zip(fit["frequencies_hz"], ratio["in_force"], strict=True)
        )
    return _over_frequency(f"{ear.capitalize()} ear, fitted by {fit['rule']}", lines)


def _over_frequency(caption: str, lines: Mapping[str, Mapping[float, float]]) -> Markup:
    """Return a table with a row per frequency and a column per line; a dash where a line has no value."""
    rows = [
        [str(math.floor(f + 0.5)), *(number(line.get(f), 1) for line in lines.values())]
        for f in sorted({f for line in lines.values() for f in line})
    ]
    return table(caption, ("Hz", *lines), rows, len(lines))


def _level_table(levels: Table, ear: str) -> Markup:
    lines = {
        name: dict(zip(levels["bands_hz"], levels[f"{key}_db_spl"][ear], strict=True))
        for name, key in (("in, dB SPL", "input"), ("aided, dB SPL", "aided"))
    }
    return _over_frequency(f"{ear.capitalize()} ear, 1/3 octaves", lines)


def _limiter(levels: Table) -> Markup:
    rows = [
        [
            ear,
            number(levels["peak_db_spl"][ear], 1),
            number(levels["mpo_db_spl"][ear], 1),
            str(levels["mpo_events"][ear]),
        ]
        for ear in EARS
    ]
    head = ("ear", "sample peak, dB SPL (of a sine with that peak)", "MPO, dB SPL", "times limited")
    return table("The limiter at the end of the aid", head, rows, 3)


def _mix(mix: Table) -> Markup:
    rows = [[stem, "muted" if gain is None else number(gain, 1, "+" if gain else "-")] for stem, gain in mix.items()]
    return table("Gain of each stem; 0 dB leaves it as it is", ("stem", "gain, dB"), rows, 1)


def _files(report: Table) -> list[tuple[str, str, str]]:
    """Return role, figures and checksum of each file."""
    song, model = report["input"], report["model"]
    facts = [
        (
            f"Input: {song['path']}",
            f"{song['rate_hz']} Hz, {song['channels']} channels, {song['frames']} frames, {song['seconds']:.2f} s, "
            f"{number(song['lufs'], 1)} LUFS",
            song["sha256"],
        ),
        (
            f"Model: {model['name']}",
            f"{model['parameters']} parameters, {model['backend']}, "
            f"{model['non_finite_blocks']} blocks with non-finite output, replaced by zeros",
            model["sha256"],
        ),
    ]
    return facts + [
        (
            f"Output: {one['path']}",
            f"{number(one['lufs'], 1)} LUFS, sample peak {number(one['peak_dbfs'], 1)} dBFS, "
            f"true peak {number(one.get('true_peak_dbtp'), 1)} dBTP",
            one["sha256"],
        )
        for one in report["outputs"]
    ]
