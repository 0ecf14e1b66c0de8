"""The plot of a listening test: for each condition and group a mean with its interval, and a dot for each listener."""

from pathlib import Path
from statistics import fmean

from hearsim.export.ratings import Rating
from hearsim.export.screening import ALL, Summary
from hearsim.report.figures import drawing, save_svg

_COLOURS = ("#1f5fbf", "#c27a1f", "#22683d", "#8a3ab0", "#c23b3b", "#4b8f96", "#777777")
_WIDTH = 0.7  # of a condition's place, for all its groups


def write_plot(path: Path, summary: list[Summary], ratings: list[Rating], paired: bool) -> None:
    """Draw the groups of a summary as SVG; dots are the means of single listeners."""
    groups = [group for group in dict.fromkeys(row.group for row in summary) if group != ALL]
    conditions = list(dict.fromkeys(row.condition for row in summary))
    with drawing(max(5.0, 1.2 + 0.9 * len(conditions)), 4.5) as (figure, axis):
        for index, group in enumerate(groups):
            colour = _COLOURS[index % len(_COLOURS)]
            shift = _WIDTH * ((index + 0.5) / len(groups) - 0.5)
            axis.plot([], [], "_", color=colour, markersize=14, markeredgewidth=2.5, label=group)
            for row in summary:
                if row.group == group:
                    x = conditions.index(row.condition) + shift
                    dots = _means(ratings, group, row.condition)
                    axis.plot([x] * len(dots), dots, "o", color=colour, alpha=0.35, markersize=4, markeredgewidth=0)
                    axis.plot(x, row.mean, "_", color=colour, markersize=14, markeredgewidth=2.5)
                    if row.low is not None and row.high is not None:
                        axis.plot([x, x], [row.low, row.high], color=colour, linewidth=1.5)
        axis.set_xticks(range(len(conditions)), conditions, rotation=30, ha="right", rotation_mode="anchor")
        axis.set(xlim=(-0.5, len(conditions) - 0.5), ylim=(0, 1.02) if paired else (0, 102))
        axis.set(ylabel="share of correct answers" if paired else "rating")
        if paired:
            axis.axhline(0.5, color="#999", linewidth=0.8, linestyle="--", zorder=0)
        axis.set_title("Means and 95 % intervals; dots: single listeners", fontsize=10)
        axis.grid(axis="y", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=min(4, len(groups)), frameon=False)
        save_svg(figure, path)


def _means(ratings: list[Rating], group: str, condition: str) -> list[float]:
    found: dict[str, list[float]] = {}
    for one in ratings:
        if (one.group, one.condition) == (group, condition):
            found.setdefault(one.participant, []).append(one.score)
    return [fmean(scores) for scores in found.values()]
