"""The pictures of an experiment: a metric along a factor, over all listeners and by listener; each with its numbers."""

import base64
import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markupsafe import Markup

from hearsim.core.files import make_folder, write_csv
from hearsim.experiment.spec import Study
from hearsim.experiment.statistics import POOLED, Names, Results, Summary
from hearsim.metrics.registry import metric as metric_of
from hearsim.pages.svg import drawing, save_svg, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_COLOURS = (
    "#1f5fbf",
    "#c27a1f",
    "#2f8f4e",
    "#a83a7b",
    "#7a6a2f",
    "#4aa3b5",
    "#8a5bd1",
    "#c23b3b",
    "#5f6b76",
    "#94b02c",
)
_MARKS = "osD^vPX<>*"
_DODGE = 0.24  # between the first and the last line at a place; the step from place to place is 1
_LEAST_SPAN = {"0–1": 0.2, "dB": 6.0, "LUFS": 6.0, "dB SPL": 6.0}  # of the axis, by unit


class Picture(NamedTuple):
    """A picture: its name, its metric, its caption, the drawing as an element of a page, and its data."""

    name: str
    metric: str
    caption: str
    inline: Markup
    header: tuple[str, ...]
    rows: list[list[str]]

    def csv_base64(self) -> str:
        """Return the rows as a CSV file in base64, for a link."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.header, *self.rows])
        return base64.b64encode(file.getvalue().encode()).decode()


class _Line(NamedTuple):
    """One line of a plot: its label, and a summary for each place along the axis that has one."""

    label: str
    points: dict[str, Summary]


_PlotOf = tuple[str, list[_Line], list[str]]  # its fixed levels, its lines, the positions on its axis


def pictures(study: Study, results: Results, summaries: Sequence[Summary], folder: Path) -> list[Picture]:
    """Draw every picture into a folder, as SVG with its numbers as CSV beside it, and return them for the page.

    If the axis is a factor of the condition, a first picture has a line for each combination of the other factors
    (such as models), pooled over listeners, and a picture for each combination a line for each listener; if the axis is
    the listener, there is a line for each condition.
    """
    make_folder(folder)
    axis = study.report.x or _longest(results)
    pictures: list[Picture] = []
    names: Counter[str] = Counter()
    for metric in results.values:
        of_metric = [one for one in summaries if one.metric == metric]
        plots = _plots(axis, results, of_metric)
        limits = _limits(of_metric, metric_of(metric).unit)
        if len(plots) > 1:
            plots.insert(0, _pooled(plots))
        for rest, lines, places in plots:
            caption = f"{metric} along {axis}" + (f", {rest}" if rest else "")
            name = _file_name(f"{metric} {rest}")
            names[name] += 1
            if names[name] > 1:  # "6 dB" and "-6 dB", as file names
                name = f"{name}-{names[name]}"
            pictures.append(
                _save(folder, name, metric, caption, _plot(metric, axis, lines, places, limits), lines, places)
            )
    return pictures


def _longest(results: Results) -> str:
    conditions = results.conditions
    return max(
        results.condition, key=lambda factor: len({names[results.condition.index(factor)] for names in conditions})
    )


def _plots(axis: str, results: Results, summaries: Sequence[Summary]) -> list[_PlotOf]:
    """Return for each picture its fixed levels, its lines, and the positions on its axis."""
    listeners = [*results.levels["listener"], POOLED]
    if axis == "listener":
        lines = [
            _Line(results.label(condition), {s.listener: s for s in summaries if s.condition == condition})
            for condition in results.conditions
        ]
        return [("", lines, [name for name in listeners if any(name in line.points for line in lines)])]
    place = results.condition.index(axis)
    groups: dict[Names, list[Names]] = {}
    for condition in results.conditions:
        groups.setdefault((*condition[:place], *condition[place + 1 :]), []).append(condition)
    plots = []
    for conditions in groups.values():
        lines = [
            _Line(
                listener,
                {s.condition[place]: s for s in summaries if s.listener == listener and s.condition in conditions},
            )
            for listener in listeners
        ]
        names = [condition[place] for condition in conditions]
        plots.append((results.label(conditions[0], axis), [line for line in lines if line.points], names))
    return plots


def _pooled(plots: Sequence[_PlotOf]) -> _PlotOf:
    """Return one plot with the pooled line of each."""
    lines = [line._replace(label=rest) for rest, lines, _ in plots for line in lines if line.label == POOLED]
    places = list(dict.fromkeys(place for *_, places in plots for place in places))
    return ("", lines or [line._replace(label=rest) for rest, lines, _ in plots for line in lines], places)


def _file_name(text: str) -> str:
    return "-".join("".join(c if c.isalnum() or c in "+_" else " " for c in text).split())


def _plot(
    metric: str, axis: str, lines: Sequence[_Line], places: Sequence[str], limits: tuple[float, float]
) -> Callable[["Axes"], None]:
    """Return a function that draws lines with intervals; the pooled one is black and bold, points are shifted."""

    def draw(axes: "Axes") -> None:
        for index, line in enumerate(lines):
            drawn = [place for place in places if place in line.points]
            estimates = [line.points[place].estimate for place in drawn]
            x = np.array([places.index(place) for place in drawn]) + _DODGE * ((index + 0.5) / len(lines) - 0.5)
            mean = np.array([one.mean for one in estimates])
            ends = np.array([(one.mean if one.low is None else one.low, one.mean if one.high is None else one.high)
                             for one in estimates]).T  # fmt: skip
            bold = line.label == POOLED
            colour = "#111" if bold else _COLOURS[index % len(_COLOURS)]
            style = "none" if axis == "listener" else "-"  # listeners have no order
            axes.errorbar(x, mean, np.abs(ends - mean), color=colour, marker=_MARKS[index % len(_MARKS)], markersize=5,
                          label=line.label, linestyle=style, linewidth=2.4 if bold else 1.2)  # fmt: skip
        wide = max(map(len, places)) * len(places) > 50
        axes.set_xticks(range(len(places)), places, rotation=30 if wide else 0, ha="right" if wide else "center")
        axes.set(xlabel=axis, ylabel=f"{metric}, {metric_of(metric).unit}", xlim=(-0.5, len(places) - 0.5))
        axes.set_ylim(*limits)
        axes.grid(alpha=0.3)
        figure = axes.get_figure()
        assert figure is not None
        figure.legend(loc="outside lower center", ncols=min(6, len(lines)), frameon=False)

    return draw


def _limits(summaries: Sequence[Summary], unit: str) -> tuple[float, float]:
    """Return the limits of all pictures of a metric, so that they compare.

    They are at least a relevant difference of the unit apart, so that smaller differences look flat.
    """
    ends = [one for summary in summaries for one in summary.estimate[:3] if one is not None]
    low, high = min(ends), max(ends)
    span = 1.1 * (high - low)
    room = (max(span, _LEAST_SPAN.get(unit, 0.0)) - (high - low)) / 2 or 0.5  # of a constant without a unit's span
    return low - room, high + room


def _save(
    folder: Path,
    name: str,
    metric: str,
    caption: str,
    draw: Callable[["Axes"], None],
    lines: Sequence[_Line],
    places: Sequence[str],
) -> Picture:
    with drawing(7.0, 4.4) as (figure, axes):
        draw(axes)
        save_svg(figure, folder / f"{name}.svg")
        inline = svg(figure, f"{caption}; the numbers are in {name}.csv", name)
    header = ("line", "place", "mean", "low", "high", "takes")
    rows = [
        [line.label, place, *cells(line.points[place])] for line in lines for place in places if place in line.points
    ]
    write_csv(folder / f"{name}.csv", header, rows)
    return Picture(name, metric, caption, inline, header, rows)


def cells(summary: Summary) -> list[str]:
    """Return mean, interval and number of takes as a table's cells."""
    one = summary.estimate
    return [*("" if value is None else f"{value:.6g}" for value in (one.mean, one.low, one.high)), str(one.takes)]
