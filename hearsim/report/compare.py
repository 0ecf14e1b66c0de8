"""`hearsim compare`: two renders side by side: different settings, metrics, latency, and one player of both."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hearsim.core.audio_files import open_source
from hearsim.core.calibration import Calibration
from hearsim.core.errors import HearsimError
from hearsim.core.files import read_json, write_text
from hearsim.core.latency import LIVE_DELAY, PROCESSING_DELAY
from hearsim.pages.html import fill, number, table
from hearsim.report.page import SCHEMA
from hearsim.report.player import LABELS, player
from hearsim.simulation.clips import Clip, excerpts

Table = dict[str, Any]
_SETTINGS = ("profile", "input", "listener", "mix", "aid", "rig", "model", "fitting")
_RESULTS = ("input.lufs", "model.non_finite_blocks")  # results among the settings
_VERSIONS = ("unaided", "aided", "heard")
_BLOCK = 1 << 16


def compare(first: Path, second: Path) -> Table:
    """Return the differences between two render folders, schema "hearsim.compare/1".

    `settings` holds {key, values} of each different one, `metrics` and `latency` {key, values, difference} of all; a
    missing value is None. `not_recorded` names the settings that a report of an earlier version lacks, which are not
    compared. Raises `HearsimError` for a folder that holds no run.
    """
    runs = [_read(folder) for folder in (first, second)]
    songs, tables, latencies, metrics = zip(*runs, strict=True)
    missing = _not_recorded(*tables)
    settings = [_flat(table, leave=(*_RESULTS, *missing)) for table in tables]
    return {
        "schema": "hearsim.compare/1",
        "runs": [str(first), str(second)],
        "same_song": songs[0] == songs[1],
        "settings": [row for row in _rows(*settings) if row["values"][0] != row["values"][1]],
        "not_recorded": missing,
        "latency": [_with_difference(row) for row in _rows(*latencies)],
        "metrics": [_with_difference(row) for row in _rows(*metrics)],
    }


def _read(folder: Path) -> tuple[str, Table, Table, Table]:
    """Return a run's song by its checksum, its tables of settings, its latency in ms and its metrics."""
    report = _report(folder)
    try:
        settings = {key: report[key] for key in _SETTINGS if key in report}
        settings["mix"] = {stem: "muted" if gain is None else gain for stem, gain in report["mix"].items()}
        metrics = {name: value for name, value in report["metrics"].items() if name != "unavailable"}
        return report["input"]["sha256"], settings, _latency(report["latency"]), _flat(metrics)
    except (KeyError, TypeError, AttributeError) as error:
        raise HearsimError(f"{folder / 'report.json'} is damaged ({error!r}): render the song again") from None


def _report(folder: Path) -> Table:
    path = folder / "report.json"
    if not path.is_file():
        raise HearsimError(f"{folder} holds no report.json: give the output folder of `hearsim render`")
    report = read_json(path)
    if report.get("schema") != SCHEMA:
        raise HearsimError(f"{path}: its schema is {report.get('schema')!r}, not {SCHEMA!r}: render the song again")
    return report


def _not_recorded(first: Table, second: Table) -> list[str]:
    """Return the tables of settings, and their keys, that only one report has."""
    missing = [key for key in _SETTINGS if key not in first or key not in second]
    for key, inner in first.items():
        if isinstance(inner, dict) and isinstance(second.get(key), dict):
            missing += [f"{key}.{name}" for name in sorted(inner.keys() ^ second[key].keys())]
    return missing


def _flat(value: Any, key: str = "", leave: Collection[str] = ()) -> Table:
    """Return nested tables as one, with dotted keys, `leave` left out."""
    if not isinstance(value, dict):
        return {key: value}
    flat: Table = {}
    for name, inner in value.items():
        if (place := f"{key}.{name}" if key else name) not in leave:
            flat |= _flat(inner, place, leave)
    return flat


def _latency(latency: Table) -> Table:
    """Return the ledger's rows and sums in ms."""
    parts: dict[str, float] = {}
    for part in latency["parts"]:
        parts[part["name"]] = parts.get(part["name"], 0.0) + part["ms"]
    return parts | {LIVE_DELAY: latency["total_ms"], PROCESSING_DELAY: latency["file_shift_ms"]}


def _rows(first: Table, second: Table) -> list[Table]:
    return [{"key": key, "values": [first.get(key), second.get(key)]} for key in dict.fromkeys((*first, *second))]


def _with_difference(row: Table) -> Table:
    first, second = row["values"]
    return {**row, "difference": None if first is None or second is None else second - first}


def text_of(value: Any) -> str:
    """Return a setting's value as text."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(text_of, value)) if isinstance(value, list) else str(value)


LEGEND = "≠: differs in the figures shown"


def number_cells(row: Table, digits: int) -> list[str]:
    """Return both values of a row and their difference as text, marked where it isn't zero as shown."""
    first, second = row["values"]
    difference = row["difference"]
    shown, delta = [number(first, digits), number(second, digits)], number(difference, digits, "+")
    changed = shown[0] != shown[1] or (difference is not None and round(difference, digits) != 0)
    return [*shown, f"≠ {delta}" if changed else number(difference, digits)]


def write_comparison(comparison: Table, path: Path) -> None:
    """Write a comparison as a page with a player of both runs. Raises `HearsimError` for sounds that can't be read."""
    names = [f"A: {comparison['runs'][0]}", f"B: {comparison['runs'][1]}"]
    settings = [[row["key"], *map(text_of, row["values"])] for row in comparison["settings"]]
    page = fill(
        "report/compare.html.j2",
        title=f"{comparison['runs'][0]} and {comparison['runs'][1]}, compared",
        summary=_summary(comparison),
        player=_player(comparison["runs"]) if comparison["same_song"] else None,
        settings=table("Those that differ", ("setting", *names), settings, 0) if settings else None,
        latency=_numbers(f"Delay in ms ({LEGEND})", "part", comparison["latency"], names, 2),
        metrics=_numbers(f"Of each sound, stem or ear ({LEGEND})", "metric", comparison["metrics"], names, 3),
    )
    write_text(path, page)


def _summary(comparison: Table) -> str:
    count = len(comparison["settings"])
    settings = {0: "No setting differs", 1: "One setting differs"}.get(count, f"{count} settings differ")
    delay = next(row["difference"] for row in comparison["latency"] if row["key"] == LIVE_DELAY)
    song = (
        "the song is the same" if comparison["same_song"] else "the songs are not the same, so metrics do not compare"
    )
    if comparison["not_recorded"]:
        settings += f" (unknown, in a report of an earlier version: {', '.join(comparison['not_recorded'])})"
    change = "the same" if not round(delay, 2) else f"{number(delay, 2, '+')} ms from A to B"
    return f"{settings}; {song}; the live delay is {change}."


def _numbers(caption: str, head: str, rows: list[Table], names: list[str], digits: int) -> str:
    lines = [[row["key"], *number_cells(row, digits)] for row in rows]
    return table(caption, (head, *names, "B less A"), lines, 3)


def _player(runs: list[str]) -> Table:
    """Return the player of both runs' versions, on one scale of sound pressure at the ear."""
    clips: dict[str, Clip] = {}
    calibrations: dict[str, Calibration] = {}
    labels: Mapping[str, str] = {f"{run} {name}": f"{run}: {LABELS[name]}" for run in "AB" for name in _VERSIONS}
    for run, folder in zip("AB", map(Path, runs), strict=True):
        headphones = Calibration(_report(folder)["rig"]["headphones_full_scale_db_spl"])
        for name in _VERSIONS:
            source = open_source(folder / f"{name}.wav", None)
            clip = clips[f"{run} {name}"] = Clip(source.frames, source.rate)
            calibrations[f"{run} {name}"] = headphones
            for block in source.blocks(_BLOCK):
                clip.add(block)
    if len({(clip.rate, clip.start, clip.length) for clip in clips.values()}) > 1:
        raise HearsimError(f"{' and '.join(runs)}: their WAV files differ in rate or length: render the song again")
    ordered = {f"{run} {name}": clips[f"{run} {name}"] for name in _VERSIONS for run in "AB"}
    return player(excerpts(ordered, calibrations, calibrations["A aided"]), labels)
