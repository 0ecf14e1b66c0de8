"""report.html: one self-contained page, nothing from outside."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from hearsim.report.figures import band_levels, fitting, ledger_bar

Table = dict[str, Any]

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2127;--soft:#5b6570;--line:#d9dee3;--back:#fbfbfa;--card:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a3acb5;--line:#3a424b;--back:#16191d;--card:#1f2429}}
*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:1.2rem;font:16px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--back)}h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}.soft{color:var(--soft)}.card{background:#fff;border:1px solid var(--line);border-radius:8px;
padding:.6rem;margin:.6rem 0}.card svg{width:100%;height:auto;display:block}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:left;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--line);vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.players{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem}
.players div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem}
audio{width:100%}.no{color:#b3402e}.yes{color:#2c7a4b}code{overflow-wrap:anywhere;font-size:.85rem}
@media(prefers-color-scheme:dark){.no{color:#f09080}.yes{color:#7fcf9f}}
"""

_PLAYERS = {
    "input": "The song as it comes in",
    "unaided": "What this listener hears without the aid",
    "aided": "What the aid plays",
    "heard": "What this listener hears with the aid",
}

_METRICS = {
    "stoi_vocals": ("STOI of the vocals", "", 3),
    "estoi_vocals": ("ESTOI of the vocals", "", 3),
    "sdr_db": ("SDR of the separated stems, median of 1 s frames", "dB", 1),
    "sdr_mixture_db": ("the same for the mixture, unseparated", "dB", 1),
    "csdr_db": ("SDR of the whole clip (cSDR)", "dB", 1),
    "si_sdr_db": ("SI-SDR", "dB", 1),
    "sii": ("SII: speech in quiet, vocals in the music", "", 3),
    "lufs": ("Loudness of the files, BS.1770-4", "LUFS", 1),
    "peak_dbfs": ("Sample peak of the files", "dBFS", 1),
}


def write_page(report: Table, players: dict[str, bytes], note: str, path: Path) -> None:
    """Write the page of a report; `players` holds FLAC bytes by version, `note` says at what level they play."""
    path.write_text(page(report, players, note), encoding="utf-8")


def page(report: Table, players: dict[str, bytes], note: str) -> str:
    """Return the page as HTML."""
    song = Path(report["input"]["path"]).name
    title = f"{song} through the aid {report['profile']!r}"
    latency = report["latency"]
    summary = (
        f"Listener {report['listener']['name']}, model {report['model']['name']}: {latency['total_ms']:.1f} ms from "
        f"microphone to ear (measured: {latency['measured_samples']} samples, declared: {latency['total_samples']}), "
        f"limited {sum(report['levels']['mpo_events'].values())} times."
    )
    sections = [
        f"<h1>{escape(title)}</h1><p>{escape(summary)}</p>",
        _section("Listen", _players(players, note)),
        _section("Latency", _card(ledger_bar(latency)) + _ledger(latency)),
        _section("Fitting", _card(fitting(report))),
        _section("Levels", _card(band_levels(report)) + _levels(report)),
        _section("Mix", _rows(("stem", "gain"), [(s, _db(g)) for s, g in report["mix"].items()])),
        _section("Metrics", _metrics(report["metrics"])),
        _section("Files", _files(report)),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _card(svg: str) -> str:
    return f'<div class="card">{svg}</div>'


def _db(gain: float | None) -> str:
    return "muted" if gain is None else f"{gain:+.1f} dB"


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table; every column but the first is set to the right."""
    cells = "".join(f"<th{' class=n' if i else ''} scope=col>{escape(name)}</th>" for i, name in enumerate(head))
    lines = "".join(
        "<tr>" + "".join(f"<td{' class=n' if i else ''}>{escape(value)}</td>" for i, value in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>'


def _players(players: dict[str, bytes], note: str) -> str:
    boxes = "".join(
        f'<div><p>{escape(_PLAYERS[name])}</p><audio controls preload="none" aria-label="{escape(_PLAYERS[name])}" '
        f'src="data:audio/flac;base64,{base64.b64encode(data).decode()}"></audio></div>'
        for name, data in players.items()
    )
    return f'<div class="players">{boxes}</div><p class="soft">{escape(note)}</p>'


def _ledger(latency: Table) -> str:
    rows = [(p["name"], p["kind"], p["source"], str(p["samples"]), f"{p['ms']:.2f}") for p in latency["parts"]]
    rows.append(("live delay", "", "sum", str(latency["total_samples"]), f"{latency['total_ms']:.2f}"))
    measured = latency["measured_samples"]
    rows.append(("live delay", "", "measured", str(measured), f"{1e3 * measured / latency['rate_hz']:.2f}"))
    shift = (str(latency["file_shift_samples"]), f"{latency['file_shift_ms']:.2f}")
    rows.append(("file shift (live delay less the input block)", "", "sum", *shift))
    compute = latency["compute_ms"]
    load = (
        f"Compute per block, no delay but a deadline of {latency['deadline_ms']:.2f} ms: p50 {compute['p50']:.2f}, "
        f"p99 {compute['p99']:.2f}, max {compute['max']:.2f} ms; load at p99 {100 * latency['load_p99']:.0f} %."
    )
    verdicts = "".join(
        f"<li><b>{escape(v['scenario'])}</b>: <span class={'yes' if v['ok'] else 'no'}>"
        f"{'suits' if v['ok'] else 'too late'}</span>, {escape(v['sentence'])}</li>"
        for v in latency["verdicts"]
    )
    return _rows(("part", "kind", "source", "samples", "ms"), rows) + f"<p>{load}</p><ul>{verdicts}</ul>"


def _levels(report: Table) -> str:
    levels = report["levels"]
    rows = [
        (
            ear,
            f"{levels['peak_db_spl'][ear]:.1f}",
            f"{levels['mpo_db_spl'][ear]:.1f}",
            str(levels["mpo_events"][ear]),
        )
        for ear in ("left", "right")
    ]
    return _rows(("ear", "peak, dB SPL (as a sine)", "MPO, dB SPL", "times limited"), rows)


def _metrics(metrics: Table) -> str:
    rows: list[tuple[str, ...]] = []
    for key, (label, unit, digits) in _METRICS.items():
        for name, value in metrics.get(key, {}).items():
            values = value if isinstance(value, dict) else {"": value}
            shown = ", ".join(f"{ear + ' ' if ear else ''}{number:.{digits}f}" for ear, number in values.items())
            rows.append((label, name.replace("_", " "), f"{shown} {unit}".strip()))
    table = _rows(("metric", "of", "value"), rows)
    missing = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in metrics["unavailable"].items())
    return table + (f"<p>Not computed:</p><ul>{missing}</ul>" if missing else "")


def _files(report: Table) -> str:
    song, model = report["input"], report["model"]
    rows = [
        ("input", song["path"], song["sha256"]),
        ("model", f"{model['name']}, {model['backend']}", model["sha256"]),
    ]
    rows += [("output", one["path"], one["sha256"]) for one in report["outputs"]]
    items = "".join(f"<li>{kind}: {escape(name)}<br><code>sha256 {escape(sha)}</code></li>" for kind, name, sha in rows)
    return f"<ul>{items}</ul>"
