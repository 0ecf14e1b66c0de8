"""report.html: one self-contained page, nothing from outside. Its frame is that of `markup.whole_page`."""

import base64
import math
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import writes
from hearsim.pages.html import Cell, Markup, number, table, whole_page
from hearsim.report.figures import KIND_COLOURS, band_levels, by_kind, fitting, ledger_bar

Table = dict[str, Any]
_METRICS: dict[str, dict[str, tuple[str, str, int]]] = {  # table -> metric -> label, unit, digits
    "The whole signal, by version (STOI: the true vocals against it, so the rest of the music is the masker)": {
        "stoi_vocals": ("STOI of the vocals", "0–1", 3),
        "estoi_vocals": ("ESTOI of the vocals", "0–1", 3),
        "lufs": ("Loudness of the file, BS.1770-4", "LUFS", 1),
        "peak_dbfs": ("Sample peak of the file", "dBFS", 1),
    },
    "The separated stems, against the true ones": {
        "sdr_db": ("SDR, median of 1 s frames", "dB", 1),
        "sdr_mixture_db": ("The same for the mixture, unseparated", "dB", 1),
        "csdr_db": ("SDR of the whole clip (cSDR)", "dB", 1),
        "si_sdr_db": ("SI-SDR", "dB", 1),
    },
    "Speech Intelligibility Index, ANSI S3.5: speech in quiet, and the vocals in the music": {
        "sii": ("SII", "0–1", 3),
    },
}


def metric_tables(metrics: Table) -> str:
    """Return a table per group of metrics, with the reason in the place of one that is not there."""
    missing = dict(metrics["unavailable"])
    known = {name for group in _METRICS.values() for name in group}
    others = {name: (_plain(name), "", 3) for name in metrics if name not in known | {"unavailable"}}
    text = "".join(
        _metric_table(caption, group, metrics, missing) for caption, group in (*_METRICS.items(), ("Others", others))
    )
    items = "".join(f"<li>{escape(_plain(name))}: {escape(why)}</li>\n" for name, why in missing.items())
    return text + (f"<p>Not computed:</p>\n<ul>{items}</ul>\n" if items else "")


def _metric_table(caption: str, group: Mapping[str, tuple[str, str, int]], metrics: Table, missing: Table) -> str:
    """Return the table of a group, a column per version, stem or ear; takes the reasons it prints out of `missing`."""
    found: list[tuple[str, str, int, Table]] = []
    reasons: list[list[Cell]] = []
    for key, (label, unit, digits) in group.items():
        values = metrics.get(key, {})
        values = values if isinstance(values, dict) else {"value": values}
        if not values and key in missing:
            reasons.append([label, unit, f"not computed: {missing.pop(key)}"])
        elif any(isinstance(value, dict) for value in values.values()):
            found += [(f"{label}, {_plain(name)}", unit, digits, value) for name, value in values.items()]
        elif values:
            found.append((label, unit, digits, values))
    columns = list(dict.fromkeys(name for *_, values in found for name in values)) or ["value"]
    rows = [[label, unit, *(number(row.get(name), digits) for name in columns)] for label, unit, digits, row in found]
    head = ("metric", "unit", *map(_plain, columns))
    numbers = len(columns) if rows else 0  # reasons are words, set to the left
    return table(caption, head, [*rows, *reasons], numbers) if rows or reasons else ""


def _plain(name: str) -> str:
    return name.replace("_", " ")


Players = Mapping[str, bytes | Path | None]
SCHEMA = "hearsim.report/1"
_EARS = ("left", "right")
_PLAYERS = {
    "input": "The song as it comes in",
    "unaided": "What this listener hears without the aid",
    "aided": "What the aid plays",
    "heard": "What this listener hears with the aid",
}


def write_page(report: Table, players: Players, note: str, path: Path) -> None:
    """Write the page of a report.

    `players` holds FLAC by version, as bytes or as a file's path (None: not made); `note` says at what level they
    play. Raises `HearsimError` for a report of another schema.
    """
    text = page(report, players, note)
    with writes(path):  # a file name that is no UTF-8 comes in as lone surrogates, which no encoder takes
        path.write_text(text, encoding="utf-8", errors="backslashreplace")


def page(report: Table, players: Players, note: str) -> str:
    """Return the page as HTML: the same report gives the same text. Parameters and errors as `write_page`."""
    if report.get("schema") != SCHEMA:
        found = report.get("schema")
        raise HearsimError(f"the report's schema is {found!r}, not {SCHEMA!r}: render the song again")
    title = f"{Path(report['input']['path']).name}, rendered with the profile {report['profile']}"
    sections = {
        "Listen": _players(players, note),
        "Latency": _latency(report["latency"]),
        "Fitting": _by_ear(fitting, report) + _fitting_numbers(report),
        "Levels": _by_ear(band_levels, report) + _levels(report),
        "Mix": _mix(report["mix"]),
        "Metrics": metric_tables(report["metrics"]),
        "Input, model and checksums": _files(report),
    }
    body = "".join(f"<section><h2>{head}</h2>\n{text}</section>\n" for head, text in sections.items())
    return whole_page(title, _summary(report), body)


def _summary(report: Table) -> str:
    latency, times = report["latency"], sum(report["levels"]["mpo_events"].values())
    found = ((word, _ways(latency, ok)) for word, ok in (("in time", True), ("too late", False)))
    in_time = ", ".join(f"{word} for {ways}" for word, ways in found if ways)
    return (
        f"{report['input']['seconds']:.1f} s of sound for the listener {report['listener']['name']}: "
        f"{latency['total_ms']:.1f} ms from microphone to ear, {in_time}; "
        f"the limiter stepped in {times} time{'' if times == 1 else 's'}."
    )


def _ways(latency: Table, ok: bool) -> str:
    return " and ".join(_way(verdict, latency) for verdict in latency["verdicts"] if verdict["ok"] == ok)


def _way(verdict: Table, latency: Table) -> str:
    return f"{verdict['scenario']}{' (this aid)' if verdict['scenario'] == latency.get('scenario') else ''}"


def _players(players: Players, note: str) -> str:
    boxes = []
    for name, sound in players.items():
        label = escape(_PLAYERS.get(name, name))
        if sound is None:
            boxes.append(f'<div class="player"><h3>{label}</h3><p class="soft">not made</p></div>')
            continue
        data = base64.b64encode(sound.read_bytes() if isinstance(sound, Path) else sound).decode()
        boxes.append(
            f'<div class="player"><h3>{label}</h3><audio controls preload="metadata" aria-label="{label}" '
            f'src="data:audio/flac;base64,{data}"></audio></div>'
        )
    return f'<div class="players">{"".join(boxes)}</div>\n<p class="soft">{escape(note)}</p>\n'


def _swatch(kind: str) -> Markup:
    return Markup(f'<span class="kind"><i style="background:{KIND_COLOURS[kind]}"></i>{escape(kind)}</span>')


def _latency(latency: Table) -> str:
    """Return the ledger as a bar and a table, the compute time and the verdicts."""
    legend = "".join(f"<span>{_swatch(kind)} {number(ms, 2)} ms</span> " for kind, ms in by_kind(latency).items())
    rows: list[list[Cell]] = [
        [part["name"], _swatch(part["kind"]), part["source"], str(part["samples"]), number(part["ms"], 2)]
        for part in latency["parts"]
    ]
    measured = latency["measured_samples"]
    for name, source, samples in (
        ("live delay: sum of the rows", "declared", latency["total_samples"]),
        ("live delay: impulse and chirp", "measured", measured),
        ("file shift: live delay less the input block", "declared", latency["file_shift_samples"]),
    ):
        rows.append([name, "", source, str(samples), number(1e3 * samples / latency["rate_hz"], 2)])
    difference = measured - latency["total_samples"]
    agree = (
        "Declared and measured delay are the same, to the sample."
        if difference == 0
        else f"The measured delay differs from the declared one by {number(difference, 0, '+')} samples: a fault."
    )
    ledger = table(
        f"Delay ledger at {latency['rate_hz']} Hz", ("part", "kind", "source", "samples", "ms"), rows, 2, sums=3
    )
    return (
        ledger_bar(latency)
        + f'<p class="soft legend">{legend}</p>\n{ledger}<p>{agree} The live delay is what the wearer hears. The file '
        "shift is the delay inside a rendered file; it is cut from the files named below.</p>\n"
        + _compute(latency)
        + _verdicts(latency)
    )


def _compute(latency: Table) -> str:
    times = latency["compute_ms"]
    row = [number(latency["deadline_ms"], 2), *(number(times[key], 2) for key in ("p50", "p99", "max"))]
    in_time = times["p99"] <= latency["deadline_ms"]
    verdict = _verdict(in_time, "in time at p99", "too slow at p99")
    return table(
        "Compute time per block: a deadline, no part of the delay",
        ("", "deadline, ms", "p50, ms", "p99, ms", "max, ms", "load at p99"),
        [[verdict, *row, f"{number(100 * latency['load_p99'])}\u00a0%"]],
        5,
    )


def _verdicts(latency: Table) -> str:
    rows: list[list[Cell]] = []
    for one in latency["verdicts"]:
        limit = "none" if one["limit_ms"] is None else f"{one['limit_ms']:g}\u00a0ms"
        name = _way(one, latency)
        rows.append([name, limit, _verdict(one["ok"], "suits", "too late"), one["sentence"]])
    return table(
        "Does the live delay suit the way of listening?", ("way of listening", "limit", "verdict", "why"), rows, 0
    )


def _verdict(good: bool, yes: str, no: str) -> Markup:
    return Markup(f'<span class="{"yes" if good else "no"}">{yes if good else no}</span>')


def _by_ear(draw: Callable[[Table, str], str], report: Table) -> str:
    """Return a figure per ear, side by side where there is room."""
    boxes = "".join(f'<div class="figure"><h3>{ear.capitalize()} ear</h3>{draw(report, ear)}</div>\n' for ear in _EARS)
    return f'<div class="ears">{boxes}</div>\n'


def _details(tables: str) -> str:
    return f"<details><summary>The figure's numbers</summary>\n{tables}</details>\n"


def _fitting_numbers(report: Table) -> str:
    tables = ""
    for ear in _EARS:
        loss, fit = report["listener"][ear], report["fitting"][ear]
        lines = {"threshold, dB HL": zip(loss["frequencies_hz"], loss["thresholds_db_hl"], strict=True)}
        for level, gains in fit["insertion_gain_db"].items():
            lines[f"gain at {level} dB SPL, dB"] = zip(fit["frequencies_hz"], gains, strict=True)
        tables += _over_frequency(
            f"{ear.capitalize()} ear, fitted by {fit['rule']}", {k: dict(v) for k, v in lines.items()}
        )
    rules = {fit["rule"] for fit in report["fitting"].values()}
    note = f"Fitting rule: {' and '.join(sorted(rules))}. Insertion gain for speech-like sound at three levels."
    return f'<p class="soft">{escape(note)}</p>\n{_details(tables)}'


def _over_frequency(caption: str, lines: Mapping[str, Mapping[float, float]]) -> str:
    """Return a table with a row per frequency and a column per line; a dash where a line has no value."""
    rows = [
        [str(math.floor(f + 0.5)), *(number(line.get(f), 1) for line in lines.values())]
        for f in sorted({f for line in lines.values() for f in line})
    ]
    return table(caption, ("Hz", *lines), rows, len(lines))


def _levels(report: Table) -> str:
    levels = report["levels"]
    rows = [
        [
            ear,
            number(levels["peak_db_spl"][ear], 1),
            number(levels["mpo_db_spl"][ear], 1),
            str(levels["mpo_events"][ear]),
        ]
        for ear in _EARS
    ]
    tables = ""
    for ear in _EARS:
        lines = {
            name: levels[f"{key}_db_spl"][ear] for name, key in (("in, dB SPL", "input"), ("aided, dB SPL", "aided"))
        }
        bands = {name: dict(zip(levels["bands_hz"], line, strict=True)) for name, line in lines.items()}
        tables += _over_frequency(f"{ear.capitalize()} ear, 1/3 octaves", bands)
    head = ("ear", "peak, dB SPL (as a sine)", "MPO, dB SPL", "times limited")
    lost = levels["non_finite_samples"]
    note = f"Samples that were no sound (no number, or over 194 dB SPL) and became silence: {lost}."
    return table("The limiter at the end of the aid", head, rows, 3) + f'<p class="soft">{note}</p>\n{_details(tables)}'


def _mix(mix: Table) -> str:
    rows = [[stem, "muted" if gain is None else number(gain, 1, "+" if gain else "-")] for stem, gain in mix.items()]
    return table("Gain of each stem; 0 dB leaves it as it is", ("stem", "gain, dB"), rows, 1)


def _files(report: Table) -> str:
    song, model, rig = report["input"], report["model"], report["rig"]
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
            f"{model['non_finite_blocks']} blocks whose output was no number and was not used",
            model["sha256"],
        ),
    ]
    facts += [
        (
            f"Output: {one['path']}",
            f"{number(one['lufs'], 1)} LUFS, peak {number(one['peak_dbfs'], 1)} dBFS",
            one["sha256"],
        )
        for one in report["outputs"]
    ]
    items = "".join(
        f'<li>{escape(what)}<br><span class="soft">{escape(how)}</span><br>'
        f"<code>sha256 {escape(sha) or '–'}</code></li>\n"
        for what, how, sha in facts
    )
    levels = (
        f"RMS 1.0 is {rig['microphone_full_scale_db_spl']:g} dB SPL at the microphone and "
        f"{rig['headphones_full_scale_db_spl']:g} dB SPL at the headphones."
    )
    return f'<ul>{items}</ul>\n<p class="soft">{levels}</p>\n'
