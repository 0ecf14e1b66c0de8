"""Levels without effect: those that make the same cells, and factors whose levels gave the same figures."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from hearsim.experiment.plan import Cell
from hearsim.experiment.settings import LABELS, PARTS
from hearsim.experiment.spec import Study
from hearsim.experiment.statistics import Names, Results

Value = TypeVar("Value", bound=Hashable)
_LISTED = 6


def same_cells(study: Study, cells: Sequence[Cell]) -> list[str]:
    """Return a sentence for each set of levels that make the same cells but for names, before any is computed."""
    planned = {cell.names: _settings(cell) for cell in cells}
    sets = [
        (factor, levels) for place, factor in enumerate(study.factors) for levels in _alike(_groups(planned, place))
    ]
    first, *_ = study.seeds.values()
    same = [
        name
        for name, seed in study.seeds.items()
        if all(song.identity(seed) == song.identity(first) for song in study.songs.values())
    ]
    sets.append(("seed", same))  # those of whole songs, of which the plan has the first alone
    return [
        f"{factor}: {_listed(levels)} make the same cells, so their results can't differ"
        for factor, levels in sets
        if len(levels) > 1
    ]


def without_effect(results: Results) -> list[str]:
    """Return a sentence for each factor of which all pairs of cells that differ in it alone have the same figures."""
    names = {names: None for of_cells in results.values.values() for names in of_cells}
    figures = {one: tuple(of_cells.get(one) for of_cells in results.values.values()) for one in names}
    sentences = []
    for place, (factor, levels) in enumerate(results.levels.items()):
        groups = [group for group in _groups(figures, place) if len(group) > 1]
        pairs = sum(len(group) * (len(group) - 1) // 2 for group in groups)
        if groups and all(len(set(group.values())) == 1 for group in groups):
            compared = [level for level in levels if any(level in group for group in groups)]
            where = "the only pair" if pairs == 1 else f"all {pairs:,} pairs"
            sentences.append(
                f"{factor}: its levels {_listed(compared)} gave the same figures in {where} of cells that differ in it "
                "alone, so it had no effect here"
            )
    return sentences


def _settings(cell: Cell) -> tuple[Hashable, ...]:
    """Return what determines a cell's figures: the content of its key without names."""
    labels = {part: set(LABELS) for part in PARTS}
    profile = cell.profile.model_dump_json(exclude={"name": True, "model": True, **labels})
    return cell.song_key, cell.aided, profile, *cell.model.identity().items()


def _groups(values: Mapping[Names, Value], place: int) -> list[dict[str, Value]]:
    """Return the values by level of the factor at a place, for each combination of the others."""
    groups: dict[Names, dict[str, Value]] = {}
    for names, value in values.items():
        groups.setdefault((*names[:place], *names[place + 1 :]), {})[names[place]] = value
    return list(groups.values())


def _alike(groups: Sequence[Mapping[str, Hashable]]) -> list[list[str]]:
    """Return the sets of levels whose values are the same in every group."""
    candidates: dict[tuple[str, str], None] = {}
    for group in groups:
        first: dict[Hashable, str] = {}
        candidates |= {(first.setdefault(value, level), level): None for level, value in group.items()}
    sets: dict[str, list[str]] = {}
    for one, other in candidates:
        both = (group for group in groups if one in group and other in group)
        if one != other and all(group[one] == group[other] for group in both):
            sets.setdefault(one, [one]).append(other)
    return list(sets.values())


def _listed(names: Sequence[str]) -> str:
    listed = names if len(names) <= _LISTED else [*names[: _LISTED - 1], f"{len(names) - _LISTED + 1} others"]
    return f"{', '.join(listed[:-1])} and {listed[-1]}"
