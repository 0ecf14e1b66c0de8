"""The report's figures, as SVG text: fitting over the audiogram, band levels, the ledger as a bar."""

import io
import re
from typing import Any

import numpy as np

Table = dict[str, Any]
KIND_COLOURS = {"buffering": "#4e79a7", "algorithm": "#e1812c", "device": "#59a14f", "acoustics": "#9c755f"}
EAR_COLOURS = {"left": "#1f5fbf", "right": "#c23b3b"}  # clinics draw the left ear blue, the right one red
EAR_MARKS = {"left": "x", "right": "o"}


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.hashsalt": "hearsim", "svg.fonttype": "none", "font.size": 9})
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _svg(figure: Any, label: str) -> str:
    """Return a figure as an <svg> element with an accessible name, the same bytes each time."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' (width|height)="[^"]*pt"', "", text, count=2)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def ledger_bar(latency: Table) -> str:
    """Return the ledger as one stacked bar."""
    figure, (axis,) = _figure(7.5, 1.15)
    left, seen = 0.0, set()
    for part in latency["parts"]:
        if part["samples"] == 0:
            continue
        label = part["kind"] if part["kind"] not in seen else None
        seen.add(part["kind"])
        colour = KIND_COLOURS[part["kind"]]
        axis.barh(0, part["ms"], left=left, color=colour, edgecolor="white", label=label)
        left += part["ms"]
    axis.axvline(latency["file_shift_ms"], color="#444", linestyle=":", label="file shift")
    axis.set(yticks=[], xlabel="live delay, ms", xlim=(0, left * 1.01))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.6), ncols=4, frameon=False)
    return _svg(figure, f"Latency ledger: {left:.1f} ms live delay")


def fitting(report: Table) -> str:
    """Return the audiogram of each ear with the insertion gains over it."""
    figure, axes = _figure(7.5, 3.4, 2)
    for axis, ear in zip(axes, ("left", "right"), strict=True):
        loss, fit = report["listener"][ear], report["fitting"][ear]
        axis.plot(loss["frequencies_hz"], loss["thresholds_db_hl"], EAR_MARKS[ear] + "-", color=EAR_COLOURS[ear],
                  label="threshold, dB HL", markerfacecolor="none")  # fmt: skip
        for style, (level, gains) in zip((":", "-", "--"), fit["insertion_gain_db"].items(), strict=True):
            axis.plot(fit["frequencies_hz"], gains, style, color="#555", label=f"gain at {level} dB SPL")
        axis.set_xscale("log")
        ticks = (250, 500, 1000, 2000, 4000, 8000)
        axis.set_xticks(ticks, [f"{t / 1000:g}k" if t >= 1000 else str(t) for t in ticks], minor=False)
        axis.set_xticks([], minor=True)
        axis.set(ylim=(120, -10), xlim=(200, 9000), xlabel="Hz", title=f"{ear} ear, {fit['rule']}")
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("dB HL, and insertion gain in dB")
    axes[0].legend(fontsize=7.5, frameon=False)
    return _svg(figure, "Audiogram and insertion gain per ear")


def band_levels(report: Table) -> str:
    """Return the band levels in and out of the aid, with the limit."""
    levels = report["levels"]
    figure, axes = _figure(7.5, 2.9, 2)
    for axis, ear in zip(axes, ("left", "right"), strict=True):
        bands = np.array(levels["bands_hz"])
        axis.step(bands, levels["input_db_spl"][ear], where="mid", color="#888", label="in")
        axis.step(bands, levels["aided_db_spl"][ear], where="mid", color=EAR_COLOURS[ear], label="aided")
        axis.axhline(levels["mpo_db_spl"][ear], color="#000", linestyle="--", linewidth=0.9, label="MPO")
        axis.set_xscale("log")
        ticks = (63, 250, 1000, 4000, 16000)
        axis.set_xticks(ticks, ["63", "250", "1k", "4k", "16k"])
        axis.set_xticks([], minor=True)
        axis.set(xlabel="Hz, 1/3 octaves", title=f"{ear} ear", ylim=(0, max(120, levels["mpo_db_spl"][ear] + 5)))
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("dB SPL")
    axes[0].legend(fontsize=7.5, frameon=False, ncols=3)
    return _svg(figure, "Band levels into and out of the aid")
