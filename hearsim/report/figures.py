"""The report's figures as inline SVG: the ledger as a bar, the fitting over the audiogram, band levels.

The bar is written by hand and takes the page's colours and width; the curves are drawn by matplotlib, one figure
per ear, readable on a narrow screen. The same report gives the same bytes.
"""

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from hearsim.core.latency import LIVE_DELAY, PROCESSING_DELAY
from hearsim.core.units import Curve, frequency_label
from hearsim.pages.svg import Margins, drawing, svg
from hearsim.report.spectra import GAIN_BANDS_HZ, LOWEST_HZ, Spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Table = dict[str, Any]
KIND_COLOURS = {"buffering": "#8fb4dc", "algorithm": "#f2b06b", "device": "#93cf87", "acoustics": "#cfb0a0"}
OTHER_COLOUR = "#b9b9b9"  # of a kind that a user's stage defines
EAR_COLOURS = {"left": "#1f5fbf", "right": "#c23b3b"}  # ASHA 1990: left ear blue x, right ear red o
EAR_MARKS = {"left": "x", "right": "o"}
_OCTAVES_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
_SPACE = Margins(left=0.7, right=0.13, bottom=0.48, top=0.1)  # holds tick labels such as −100 and the axes' names
_LABELLED_SHARE = 0.1  # of the bar: narrower segments are not labelled


def ledger_bar(latency: Table) -> Markup:
    """Return the ledger as one stacked bar over an axis in ms, with live and processing delay marked below.

    The processing delay ends with the bar: it is the whole live delay but for the input block, which comes first.
    """
    parts = [part for part in latency["parts"] if part["samples"] > 0]
    total = sum(part["ms"] for part in parts) or 1.0
    shapes, start = [], 0.0
    for part in parts:
        share = part["ms"] / total
        shapes.append(
            Markup('<rect x="{:.3%}" y="2" width="{:.3%}" height="36" fill="{}"><title>{}</title></rect>').format(
                start, share, kind_colour(part["kind"]), f"{part['name']}: {part['ms']:.2f} ms, {part['kind']}"
            )
        )
        if share >= _LABELLED_SHARE:
            shapes.append(_text(start + share / 2, 25, f"{part['ms']:.1f}", "middle", "on"))
        start += share
    step = _tick_step(total)
    for count in range(math.floor(total / step + 1e-9) + 1):
        at = count * step / total
        shapes.append(Markup(f'<line x1="{at:.3%}" x2="{at:.3%}" y1="38" y2="43"/>'))
        anchor = "start" if count == 0 else "end" if at > 0.96 else "middle"
        shapes.append(_text(at, 56, f"{count * step:g}{' ms' if count == 0 else ''}", anchor))
    for name, length, y in ((LIVE_DELAY, latency["total_ms"], 76), (PROCESSING_DELAY, latency["file_shift_ms"], 100)):
        begin = max(0.0, 1 - length / total)
        shapes.append(Markup(f'<line class="span" x1="{begin:.3%}" x2="100%" y1="{y + 5}" y2="{y + 5}"/>'))
        shapes.append(_text(1, y, f"{name} {length:.2f} ms", "end"))
    kinds = ", ".join(f"{kind} {ms:.2f} ms" for kind, ms in by_kind(latency).items())
    label = f"Live delay {latency['total_ms']:.2f} ms: {kinds}; {PROCESSING_DELAY} {latency['file_shift_ms']:.2f} ms"
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(shapes))


def _above_legend(rows: int) -> Margins:
    """Return the space around axes with a legend of so many rows below them."""
    return _SPACE._replace(bottom=_SPACE.bottom + 0.12 + 0.21 * rows)


def kind_colour(kind: str) -> str:
    """Return the colour of a kind of delay."""
    return KIND_COLOURS.get(kind, OTHER_COLOUR)


def by_kind(latency: Table) -> dict[str, float]:
    """Return the delay in ms of each kind with any delay, in the ledger's order."""
    sums: dict[str, float] = {}
    for part in latency["parts"]:
        if part["samples"] > 0:
            sums[part["kind"]] = sums.get(part["kind"], 0.0) + part["ms"]
    return sums


def _tick_step(total_ms: float) -> float:
    """Return 1, 2 or 5 times a power of ten, so that the axis has 3 to 8 ticks."""
    power: float = 10.0 ** math.floor(math.log10(total_ms))
    return next(factor * power for factor in (0.2, 0.5, 1.0, 2.0) if total_ms / (factor * power) <= 7)


def _text(share: float, y: float, text: str, anchor: str, css: str = "") -> Markup:
    return Markup('<text x="{:.3%}" y="{}" text-anchor="{}" class="{}">{}</text>').format(share, y, anchor, css, text)


def fitting(report: Table, ear: str) -> Markup:
    """Return the audiogram of an ear with the aid's gains at 50, 65 and 80 dB SPL over it.

    Both run downward from 0 on one scale, so a gain of half the loss lies half way to the threshold. An octave is as
    wide as 20 dB are high (ISO 8253-1).
    """
    loss, fit = report["listener"][ear], report["fitting"][ear]
    lowest = max(120.0, *(10 * math.ceil(value / 10) for value in loss["thresholds_db_hl"]))
    octaves = [math.log2(f / 1000) for f in loss["frequencies_hz"]]
    with drawing(4.2, 4.6, _above_legend(rows=2)) as (figure, axis):
        axis.axhline(0, color="#999", linewidth=0.8)
        axis.plot(octaves, loss["thresholds_db_hl"], EAR_MARKS[ear] + "-", color=EAR_COLOURS[ear],
                  label="threshold, dB HL", markerfacecolor="none", markersize=8)  # fmt: skip
        places = [math.log2(f / 1000) for f in fit["frequencies_hz"]]
        for (level, gains), style in zip(fit["insertion_gain_db"].items(), (":", "-", "--"), strict=True):
            axis.plot(places, gains, style, color="#333", linewidth=1.6, label=f"aid's gain, {level} dB SPL")
        _frequency_axis(axis, _OCTAVES_HZ)
        axis.set(ylim=(lowest, -10), xlim=(min(-3.2, *octaves), max(3.2, *octaves)), xlabel="Hz",
                 ylabel="dB HL, and gain in dB", yticks=range(0, int(lowest) + 1, 20))  # fmt: skip
        axis.set_aspect(1 / 20)
        figure.legend(loc="lower center", ncols=2, frameon=False)
        label = f"Audiogram of the {ear} ear and gain of the aid; the numbers are in the table below"
        return svg(figure, label, f"fitting-{ear}")


def band_levels(report: Table, ear: str) -> Markup:
    """Return the 1/3-octave levels of an ear into and out of the aid in dB SPL, with the aid's limit (MPO)."""
    levels = report["levels"]
    limit = levels["mpo_db_spl"][ear]
    places = [math.log2(f / 1000) for f in levels["bands_hz"]]
    with drawing(4.2, 3.3, _above_legend(rows=1)) as (figure, axis):
        axis.step(places, levels["input_db_spl"][ear], where="mid", color="#777", label="in")
        axis.step(places, levels["aided_db_spl"][ear], where="mid", color=EAR_COLOURS[ear], label="aided")
        axis.axhline(limit, color="#111", linestyle="--", linewidth=1, label="MPO")
        _frequency_axis(axis, (62.5, 250, 1000, 4000, 16000))
        axis.set(ylim=(0, max(120, limit + 5)), xlabel="Hz, 1/3 octaves", ylabel="dB SPL")
        figure.legend(loc="lower center", ncols=3, frameon=False)
        label = f"Band levels into and out of the aid, {ear} ear; the numbers are in the table below"
        return svg(figure, label, f"levels-{ear}")


def _frequency_axis(axis: "Axes", ticks_hz: tuple[float, ...]) -> None:
    """Label an axis in octaves re 1 kHz with frequencies."""
    axis.set_xticks([math.log2(f / 1000) for f in ticks_hz], list(map(frequency_label, ticks_hz)))
    axis.grid(alpha=0.3)


def measured_gain(report: Table, gain: Curve, ear: str) -> Markup:
    """Return the gain from input to aided sound, or with a vent to the eardrum, over that for speech.

    `gain` is (ears, `GAIN_BANDS_HZ`), NaN where there is no sound.
    """
    fit, measured = report["fitting"][ear], gain[list(EAR_COLOURS).index(ear)]
    key, place = ("eardrum_gain_db", "the eardrum") if report["aid"]["vent"] else ("insertion_gain_db", "aided sound")
    with drawing(4.2, 3.3, _above_legend(rows=2)) as (figure, axis):
        axis.axhline(0, color="#999", linewidth=0.8)
        places = [math.log2(f / 1000) for f in fit["frequencies_hz"]]
        for (level, gains), style in zip(fit[key].items(), (":", "-", "--"), strict=True):
            axis.plot(places, gains, style, color="#333", linewidth=1.2, label=f"speech, {level} dB SPL")
        axis.plot([math.log2(f / 1000) for f in GAIN_BANDS_HZ], measured, color=EAR_COLOURS[ear], linewidth=2.2,
                  label="measured in the excerpt")  # fmt: skip
        _frequency_axis(axis, (62.5, 250, 1000, 4000, 16000))
        axis.locator_params("y", integer=True)
        axis.set(xlim=(math.log2(0.05) - 0.1, 4.1), xlabel="Hz, 1/3 octaves", ylabel="gain, dB")
        figure.legend(loc="lower center", ncols=2, frameon=False)
        label = f"Gain from input to {place}, {ear} ear; the numbers are in the table below"
        return svg(figure, label, f"gain-{ear}")


def spectrogram_picture(drawn: Spectrogram, name: str, label: str, loudest_db_spl: float) -> Markup:
    """Return a spectrogram on a scale from 0 dB SPL to the loudest level of all versions."""
    top = max(20.0, 10 * math.ceil(loudest_db_spl / 10))
    rows = drawn.levels_db_spl.shape[0]
    bottom = math.log2(LOWEST_HZ / 1000)
    with drawing(4.2, 3.3, _SPACE._replace(right=0.25)) as (figure, axis):
        image = axis.imshow(drawn.levels_db_spl, origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=top,
                            extent=(0, drawn.seconds, bottom, bottom + rows / 12), interpolation="nearest")  # fmt: skip
        ticks = (62.5, 250, 1000, 4000, 16000)
        axis.set_yticks([math.log2(f / 1000) for f in ticks], list(map(frequency_label, ticks)))
        axis.set(xlabel="s", ylabel="Hz", ylim=(bottom, bottom + rows / 12))
        figure.colorbar(image, label="dB SPL per 1/12 octave")
        return svg(figure, f"Spectrogram: {label}", f"spectrogram-{name}")
