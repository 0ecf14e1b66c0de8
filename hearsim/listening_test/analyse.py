"""Tables and a plot of ratings: `hearsim export analyse`.

screening.csv (excluded participants, with the reason), summary.csv (means and intervals), joined.csv (every rating
beside the objective metrics of its stimulus), metrics.csv (correlation of each metric with the ratings), ratings.svg;
for BeaqleJS's sessions also ratings.csv.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy import stats

from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, write_csv
from hearsim.core.results import check_earlier
from hearsim.listening_test.beaqlejs import session_files
from hearsim.listening_test.names import REFERENCE, RESULTS
from hearsim.listening_test.ratings import Rating, read_ratings, read_rows
from hearsim.listening_test.screening import ALL, Listener, Summary, screen, summarise
from hearsim.listening_test.sessions import COLUMNS, read_manifest
from hearsim.pages.svg import drawing, save_svg

_COLOURS = ("#1f5fbf", "#c27a1f", "#22683d", "#8a3ab0", "#c23b3b", "#4b8f96", "#777777")
_WIDTH = 0.7  # all groups of a condition, in steps of the axis


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
    by_participant: dict[str, list[float]] = {}
    for one in ratings:
        if (one.group, one.condition) == (group, condition):
            by_participant.setdefault(one.participant, []).append(one.score)
    return [fmean(scores) for scores in by_participant.values()]


FEWEST = 3  # stimuli, for a correlation
Table = dict[str, Any]


@dataclass(frozen=True)
class Correlation:
    """Pearson's and Spearman's r of a metric and the mean ratings of the stimuli, the reference excluded."""

    metric: str
    stimuli: int
    pearson: float
    spearman: float


@dataclass(frozen=True)
class Analysis:
    """The results of an analysis, and the folder that holds them."""

    out: Path
    paired: bool
    listeners: list[Listener]  # empty for pairs, which BS.1534 does not screen
    summary: list[Summary]
    correlations: list[Correlation]


OUTPUTS = ("joined.csv", "screening.csv", "summary.csv", "metrics.csv", "ratings.svg")


def analyse(results: Path, manifest: Path | None = None, out: Path | None = None) -> Analysis:
    """Analyse ratings and write tables and a plot into a folder.

    `results` is a table of ratings, a session saved by BeaqleJS, or a folder with either. `manifest` defaults to the
    manifest.json beside the ratings or one folder up, `out` to the folder `analysis` beside them. Raises
    `HearsimError` for bad input, and where post-screening excludes every participant.
    """
    path = _ratings_of(results)
    place = path if path.is_dir() else path.parent
    about = read_manifest(manifest or _manifest_of(place))
    paired = about["method"] == "paired"
    rows = list(read_rows(path, about))
    ratings = read_ratings(path, rows, about)
    listeners = [] if paired else screen(ratings)
    excluded = {one.participant for one in listeners if one.why}
    included = [one for one in ratings if one.participant not in excluded]
    if not included:
        raise HearsimError(
            f"{path}: post-screening excludes every participant, for example {listeners[0].participant} "
            f"({listeners[0].why}): check playback and instructions"
        )
    summary = summarise(included, list(about["conditions"]), paired)
    correlations = _correlations(included)
    out = out or place / "analysis"
    check_earlier(out, (*OUTPUTS, "ratings.csv") if session_files(path) else OUTPUTS)
    make_folder(out)
    _write(out / "screening.csv", Listener, listeners)
    _write(out / "summary.csv", Summary, summary)
    _write(out / "metrics.csv", Correlation, correlations)
    _write_joined(out / "joined.csv", ratings, excluded)
    write_plot(out / "ratings.svg", summary, included, paired)
    if session_files(path):
        _write_rows(out / "ratings.csv", COLUMNS, (row for _, row in rows))
    return Analysis(out, paired, listeners, summary, correlations)


def _ratings_of(results: Path) -> Path:
    """Return the table in a folder, or the folder in it that holds BeaqleJS's sessions."""
    if not results.is_dir():
        return results
    folders = (results, results / RESULTS)
    tables = [table for folder in folders if (table := folder / "ratings.csv").is_file()]
    sessions = [folder for folder in folders if session_files(folder)]
    if len(candidates := [*tables[:1], *sessions]) > 1:
        one = session_files(candidates[1])[0]
        raise HearsimError(
            f"{results} holds {candidates[0]} and sessions of BeaqleJS such as {one}: give the table, or a "
            "folder with the sessions alone"
        )
    if candidates:
        return candidates[0]
    raise HearsimError(f"{results} holds no ratings.csv and no .txt of BeaqleJS: give a table of ratings")


def _manifest_of(place: Path) -> Path:
    for folder in (place.absolute(), place.absolute().parent):
        if (folder / "manifest.json").is_file():
            return folder / "manifest.json"
    raise HearsimError(f"there is no manifest.json in {place} or in the folder above: give --manifest")


def _measures(stimulus: Table) -> dict[str, float]:
    """Return all metrics and levels of a stimulus."""
    measures = dict(stimulus["metrics"])
    for ear, levels in stimulus["ears"].items():
        measures |= {f"{name}_{ear}": levels[name] for name in ("lufs", "rms_db_spl") if levels[name] is not None}
    return measures


def _correlations(ratings: list[Rating]) -> list[Correlation]:
    scores: dict[str, list[float]] = defaultdict(list)
    measures = {}
    for one in ratings:
        if one.condition != REFERENCE:  # its SDR is that of rounding
            scores[one.stimulus["code"]].append(one.score)
            measures[one.stimulus["code"]] = _measures(one.stimulus)
    correlations = []
    for name in dict.fromkeys(name for each in measures.values() for name in each):
        codes = [code for code in scores if name in measures[code]]
        x, y = [measures[code][name] for code in codes], [fmean(scores[code]) for code in codes]
        if len(codes) >= FEWEST and len(set(x)) > 1 and len(set(y)) > 1:
            r, rho = (float(test(x, y).statistic) for test in (stats.pearsonr, stats.spearmanr))
            correlations.append(Correlation(name, len(codes), r, rho))
    return correlations


def _write(path: Path, kind: type, rows: Iterable[Any]) -> None:
    _write_rows(path, [field.name for field in fields(kind)], map(asdict, rows))


def _write_joined(path: Path, ratings: list[Rating], excluded: set[str]) -> None:
    names = list(dict.fromkeys(name for one in ratings for name in _measures(one.stimulus)))
    columns = ["participant", "group", "session", "song", "condition", "score", "kept"]
    rows = (
        {name: getattr(one, name) for name in columns[:-1]}
        | {"kept": int(one.participant not in excluded)}
        | _measures(one.stimulus)
        for one in ratings
    )
    _write_rows(path, columns + names, rows)


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Table]) -> None:
    write_csv(path, columns, ([row.get(name) for name in columns] for row in rows))
