"""Tables and a plot of an evaluation.

scores.csv has every score of the stems, summary.csv that over tracks, vocals.csv the scores of the vocals, scores.svg
the SDR.

Each definition of the SDR has rows of its own, summarised over tracks as in its own literature; no number mixes two.
"""

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from hearsim.core.files import write_csv
from hearsim.core.units import frequency_label
from hearsim.metrics.stem_scores import Score
from hearsim.metrics.vocal_scores import OCTAVES_HZ, VocalScore
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.pages.svg import drawing, save_svg
from hearsim.profile.schema import STEMS

Scores = dict[str, list[Score]]
"""{track: its scores}, system by system: the mixture's, the model's, the ceiling's."""


Vocals = dict[str, list[VocalScore]]
"""{track: the scores of its vocals}, system by system; the last system are the true stems."""


class Definition(NamedTuple):
    """One measure of separation: a field of `Score`, its name, and its summary over tracks."""

    field: str
    name: str
    over_tracks: str  # "median" or "mean"


DEFINITIONS = (
    Definition("bsseval_v4_sdr_db", "BSSEval v4 SDR", "median"),
    Definition("bsseval_v4_isr_db", "BSSEval v4 ISR", "median"),
    Definition("bsseval_v4_sir_db", "BSSEval v4 SIR", "median"),
    Definition("bsseval_v4_sar_db", "BSSEval v4 SAR", "median"),
    Definition("si_sdr_db", "SI-SDR, whole track", "mean"),
    Definition("csdr_db", "cSDR, whole track", "mean"),
    Definition("energy_sdr_db", "energy SDR, 1 s frames", "median"),
)
BESIDE = DEFINITIONS[1:4]
"""Not in the table on the terminal: the components of the SDR's error."""


class Row(NamedTuple):
    """One definition and system over all tracks: a value in dB per stem, and the mean over the stems."""

    definition: Definition
    system: str
    stems: dict[str, float | None]
    overall: float | None


def summarise(scores: Scores) -> list[Row]:
    """Return for each definition the rows of mixture, model and ceiling; a stem's tracks are those that have it."""
    return [_row(definition, system, scores) for definition in DEFINITIONS for system in _systems(scores)]


def summary_records(scores: Scores) -> list[dict[str, str | float | None]]:
    """Return the rows of `summarise` by column: definition, over_tracks, system, each stem, overall."""
    return [
        {
            "definition": row.definition.field,
            "over_tracks": row.definition.over_tracks,
            "system": row.system,
            **row.stems,
            "overall": row.overall,
        }
        for row in summarise(scores)
    ]


def describe_track(name: str, scores: list[Score]) -> str:
    """Return a track's name with the model's BSSEval v4 SDR per stem, and the mixture's in brackets."""
    if not scores:
        return f"{name}: a single stem, nothing to separate"
    mixture, model, _ = _systems({name: scores})
    sdr = {(score.system, score.stem): score.bsseval_v4_sdr_db for score in scores}
    stems = [stem for stem in stems_of({name: scores}) if (model, stem) in sdr]
    return f"{name}: " + ", ".join(f"{stem} {shown(sdr[model, stem])} ({shown(sdr[mixture, stem])})" for stem in stems)


def shown(value: float | None) -> str:
    """Return a figure in dB as text; a dash for None."""
    return "-" if value is None else f"{value:.2f}"


OCTAVES = tuple(f"{frequency_label(low)}-{frequency_label(high)}" for low, high in OCTAVES_HZ)
"""Names of the bands of `octave_sdr_db`."""


def stems_of(scores: Scores) -> tuple[str, ...]:
    """Return the four stems, and the accompaniment where a track of two stems is scored."""
    return STEMS + (ACCOMPANIMENT,) * any(s.stem == ACCOMPANIMENT for of_track in scores.values() for s in of_track)


def _systems(scores: Scores) -> list[str]:
    """Return the systems in the order of scoring: the mixture, the model, the ceiling."""
    return list(dict.fromkeys(score.system for of_track in scores.values() for score in of_track))


def _row(definition: Definition, system: str, scores: Scores) -> Row:
    over_tracks = statistics.median if definition.over_tracks == "median" else statistics.fmean
    values_of_stem = {stem: values_of(definition, system, stem, scores) for stem in stems_of(scores)}
    stems = {stem: over_tracks(values) if values else None for stem, values in values_of_stem.items()}
    defined = [value for value in stems.values() if value is not None]
    return Row(definition, system, stems, statistics.fmean(defined) if defined else None)


def values_of(definition: Definition, system: str, stem: str, scores: Scores) -> list[float]:
    """Return the scores of a system on a stem, track by track, without missing values."""
    fitting = (s for of_track in scores.values() for s in of_track if (s.system, s.stem) == (system, stem))
    return [value for score in fitting if (value := getattr(score, definition.field)) is not None]


def write_scores(path: Path, scores: Scores) -> None:
    """Write every score to a CSV, one row per track, system and stem; an empty cell is a missing value."""
    fields = [definition.field for definition in DEFINITIONS]
    rows = (
        [name, s.system, s.stem, *(getattr(s, field) for field in fields)] for name, row in scores.items() for s in row
    )
    write_csv(path, ["track", "system", "stem", *fields], rows)


def write_summary(path: Path, scores: Scores) -> None:
    """Write the summary over tracks to a CSV, one row per definition and system, stems side by side."""
    columns = ["definition", "over_tracks", "system", *stems_of(scores), "overall"]
    write_csv(path, columns, (record.values() for record in summary_records(scores)))


class VocalRow(NamedTuple):
    """The vocals of one system over all tracks."""

    system: str
    estoi_gain: float | None
    """Mean over the tracks with enough singing."""
    share: float | None
    """`estoi_gain` over that of the true stems."""
    octave_sdr_db: tuple[float | None, ...]
    """Medians over tracks."""
    false_vocals_db: float | None
    """Median over the tracks with a second in which nobody sings."""


def summarise_vocals(vocals: Vocals) -> list[VocalRow]:
    """Return a row for each system, from the mixture to the true stems."""
    systems = list(dict.fromkeys(score.system for of_track in vocals.values() for score in of_track))
    by_system = {name: [s for of_track in vocals.values() for s in of_track if s.system == name] for name in systems}
    gains = {name: _over_tracks(statistics.fmean, (s.estoi_gain for s in found)) for name, found in by_system.items()}
    best = gains[systems[-1]] if systems else None
    return [
        VocalRow(
            name,
            gain := gains[name],
            gain / best if gain is not None and best else None,
            tuple(
                _over_tracks(statistics.median, band) for band in zip(*(s.octave_sdr_db for s in found), strict=True)
            ),
            _over_tracks(statistics.median, (s.false_vocals_db for s in found)),
        )
        for name, found in by_system.items()
    ]


def vocal_records(vocals: Vocals) -> list[dict[str, str | float | None]]:
    """Return the rows of `summarise_vocals` by column."""
    return [
        {"system": row.system, "estoi_gain": row.estoi_gain, "share": row.share,
         "false_vocals_db": row.false_vocals_db, **_octaves(row.octave_sdr_db)}
        for row in summarise_vocals(vocals)
    ]  # fmt: skip


def _octaves(ratios_db: Iterable[float | None]) -> dict[str, float | None]:
    return {f"sdr_{name}_hz_db": ratio for name, ratio in zip(OCTAVES, ratios_db, strict=True)}


def _over_tracks(summary: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return summary(defined) if defined else None


def write_vocals(path: Path, vocals: Vocals) -> None:
    """Write the scores of the vocals to a CSV, one row per track and system; an empty cell is a missing value."""
    columns = ["track", "system", "estoi_gain", "share", "false_vocals_db", *_octaves([None] * len(OCTAVES))]
    rows = (
        [name, s.system, s.estoi_gain, s.share, s.false_vocals_db, *s.octave_sdr_db]
        for name, of_track in vocals.items()
        for s in of_track
    )
    write_csv(path, columns, rows)


def write_plot(path: Path, scores: Scores) -> None:
    """Draw the BSSEval v4 SDR as SVG: per stem and system a dot for each track, and a bar at the median over tracks."""
    definition, systems, stems = DEFINITIONS[0], _systems(scores), stems_of(scores)
    with drawing(8.0, 4.5) as (figure, axis):
        for place, system in enumerate(systems):
            colour = _COLOURS[place]
            for index, stem in enumerate(stems):
                values = values_of(definition, system, stem, scores)
                if not values:
                    continue
                x, middle = index + 0.27 * (place - 1), statistics.median(values)
                axis.plot([x] * len(values), values, "o", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
                axis.plot([x - 0.11, x + 0.11], [middle, middle], color=colour, linewidth=2.5)
                axis.annotate(f"{middle:.1f}", (x, middle), (0, 3), textcoords="offset points", ha="center", fontsize=8)
            axis.plot([], [], color=colour, linewidth=2.5, label=system)
        axis.axhline(0, color="#999", linewidth=0.8, zorder=0)
        axis.set_xticks(range(len(stems)), stems)
        axis.set(ylabel="BSSEval v4 SDR in dB")
        axis.set_title("Dots: tracks (median over 1 s frames); bars: median over tracks", fontsize=10)
        axis.grid(axis="y", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=len(systems), frameon=False)
        save_svg(figure, path)


_COLOURS = ("#777777", "#1f5fbf", "#c27a1f")  # of the mixture, the model, the ceiling
