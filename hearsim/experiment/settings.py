"""Factors that are settings of a profile: `"aid.compression.ratio" = [1, 2, 3]` varies one setting of every aid.

The dotted key names a part of the profile (listener, mix, aid or rig) and a setting of it. Each value is a
level; "none" removes an optional setting (`"aid.compression" = ["none", { ratio = 2, ... }]`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import Field

from hearsim.core.errors import HearsimError
from hearsim.core.validation import Settings, check, nearest
from hearsim.profile.schema import Aid, Listener, Mix, Rig

PARTS: dict[str, type[Settings]] = {"listener": Listener, "mix": Mix, "aid": Aid, "rig": Rig}
ABSENT = "none"
LABELS = ("name", "source")  # keys of a part that don't change the sound
Part = TypeVar("Part", bound=Settings)


class _Levels(Settings):
    levels: tuple[Any, ...] = Field(min_length=1)


def flatten(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with dotted keys for the nested tables of a profile's parts.

    >>> flatten({"songs": ["a"], "aid": {"compression": {"ratio": [1, 2]}}})
    {'songs': ['a'], 'aid.compression.ratio': [1, 2]}
    """
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict) and key.split(".")[0] in PARTS:
            flat |= flatten({f"{key}.{inner}": one for inner, one in value.items()})
        else:
            flat[key] = value
    return flat


def level_name(value: object) -> object:
    """Return the name of a level: a number or table in TOML's notation, a text unchanged.

    >>> level_name(2.50), level_name("nal-r"), level_name([1, 2])
    ('2.5', 'nal-r', '[1,2]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.12g}"
    return json.dumps(value, separators=(",", ":"), default=str)


def read_settings(path: Path, table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the levels by name of each dotted key of a spec's table of factors.

    Raises
    ------
    HearsimError
        A key is not one of a profile, its value is not a list, or two of its levels are the same.
    """
    all_keys = [key for part, kind in PARTS.items() for key in _keys(kind, part)]
    factors = {}
    for key, values in table.items():
        where = f"factors.{key}"
        if key not in all_keys:
            near = nearest(key, all_keys) or f"known are {', '.join(all_keys)}"
            raise HearsimError(f"{path}: the key {where} is not one of a profile: {near}")
        levels = check(path, _Levels, {"levels": values}, "", {"levels": where}).levels
        factors[key] = {str(level_name(value)): value for value in levels}
        if len(factors[key]) < len(levels):
            raise HearsimError(f"{path}: {where} = {list(levels)} has a level twice: remove one")
    return factors


def _keys(kind: type[Settings], prefix: str) -> Iterator[str]:
    """Yield the dotted keys of a part's settings, those of its tables after each of them."""
    for name, field in kind.model_fields.items():
        if "." in prefix or name not in LABELS:
            yield f"{prefix}.{name}"
            for one in (field.annotation, *get_args(field.annotation)):
                if isinstance(one, type) and issubclass(one, Settings):
                    yield from _keys(one, f"{prefix}.{name}")


def changed(part: Part, settings: Mapping[str, Any], where: str) -> Part:
    """Return a part with changed settings, validated as in a profile.

    Parameters
    ----------
    part
        Listener, mix, aid or rig.
    settings
        Values by dotted key within the part; a table comes before the settings in it.
    where
        File, key and level, the beginning of the sentence of an error.

    Raises
    ------
    HearsimError
        The part can't have such a value, or lacks a setting that the value needs.

    Examples
    --------
    >>> from hearsim.profile.load import load_aid
    >>> changed(load_aid("closed"), {"compression.ratio": 3}, "spec").compression.ratio
    3.0
    """
    table = part.model_dump()
    for key in sorted(settings):
        *way, last = key.split(".")
        inner = table
        for step in way:
            if inner.get(step) is None:
                inner[step] = {}
            inner = inner[step]
        inner[last] = None if settings[key] == ABSENT and _optional(type(part), key) else settings[key]
    return check(Path(where), type(part), table)


def _optional(kind: type[Settings], key: str) -> bool:
    """Return whether the setting of a dotted key is optional."""
    first, _, rest = key.partition(".")
    types = (kind.model_fields[first].annotation, *get_args(kind.model_fields[first].annotation))
    if not rest:
        return NoneType in types
    return any(_optional(one, rest) for one in types if isinstance(one, type) and issubclass(one, Settings))
