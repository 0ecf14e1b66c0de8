"""The page's tables of metrics, with the reason in the place of one that could not be computed."""

from collections.abc import Mapping
from html import escape
from typing import Any

from hearsim.report.markup import Cell, number, table

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
