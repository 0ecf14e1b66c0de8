"""Checking of settings read from TOML and JSON: each fault becomes one sentence with its file, key and cure."""

import difflib
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from hearsim.core.errors import HearsimError

Init = TypeVar("Init", bound=Callable[..., None])
Number = Annotated[float, Field(strict=True)]  # not true, not "12"


def plain_init(init: Init) -> Init:
    """Mark an `__init__` that only renames its arguments, so that pydantic's validation bypasses it."""
    init.__pydantic_base_init__ = True  # type: ignore[attr-defined]
    return init


class Settings(BaseModel):
    """Settings of a profile: frozen, finite, no unknown keys.

    A wrong value, or an attempt to change one, raises `HearsimError` with one sentence: class, key, value, cure. A copy
    with other values is checked as well.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @plain_init
    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            sentence = format_validation_error(error, type(self))
            raise HearsimError(f"{type(self).__name__}: {sentence}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if name in kind.model_fields:
            raise HearsimError(f"{kind.__name__} is frozen: copy it with model_copy(update={{{name!r}: ...}})")
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values, which are checked; raises `HearsimError`."""
        if not update:
            return super().model_copy(deep=deep)
        values = {name: getattr(self, name) for name in self.model_fields_set} | dict(update)
        try:
            copied = type(self).model_validate(values)
        except ValidationError as error:
            sentence = format_validation_error(error, type(self))
            raise HearsimError(f"{type(self).__name__}: {sentence}") from None
        return copied.model_copy(deep=True) if deep else copied


Table = TypeVar("Table", bound=BaseModel)

HINTS = {  # pydantic's error type -> fault and cure; the braces are pydantic's context
    "less_than_equal": "is too high: give {le:g} or less",
    "greater_than_equal": "is too low: give {ge:g} or more",
    "not_known": "is not known: {cure}",
    "unknown_stage": "is not a stage of an installed package: {cure}",
    "greater_than": "is too low: give more than {gt:g}",
    "less_than": "is too high: give less than {lt:g}",
    "bool_type": "is not a truth value: write true or false, without quotes",
    "dict_type": "is not a table: give its keys and values",
    "list_type": "is not a list: put the values in square brackets",
    "int_from_float": "is not a whole number: give one",
    "literal_error": "is not known: give {expected}",
    "float_type": "is not a number: give one, without quotes",
    "finite_number": "is not a finite number: give one",
    "int_type": "is not a whole number: give one, without quotes",
    "string_type": "is not a text: put it in quotes",
    "tuple_type": "is not a list: put the values in square brackets",
    "too_short": "is empty: give at least {min_length} value",
    "model_type": "is not a table: give its keys and values",
}


def nearest(name: str, names: list[str]) -> str:
    """Return a question after the names most like this one, "" where none is.

    A name with another number is a different name, not a misspelt one.

    >>> nearest("L0301", ["L0001", "L0002"]), nearest("L301", ["L0001", "L0301"])
    ('', 'did you mean L0301?')
    """
    numbers = _numbers(name)
    alike = [one for one in names if not numbers or _numbers(one) == numbers]
    near = difflib.get_close_matches(name, alike, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""


def check_names(parameter: str, argument: object, known: list[str]) -> set[str]:
    """Return an argument's names, a set or list of some of the `known` ones; raises `HearsimError`.

    >>> check_names("bypass", {"limitt"}, ["separation", "limit"])
    Traceback (most recent call last):
    hearsim.core.errors.HearsimError: bypass: there is no 'limitt': did you mean limit? (separation, limit)
    """
    choice = ", ".join(known)
    if isinstance(argument, str) or not isinstance(argument, Iterable):
        raise HearsimError(
            f"{parameter} = {reprlib.repr(argument)} is not a set of names: give some of {choice}, in braces"
        )
    names = list(argument)
    for name in names:
        if name not in known:
            raise HearsimError(
                f"{parameter}: there is no {name!r}: {(nearest(str(name), known) + ' ').lstrip()}({choice})"
            )
    return set(names)


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", name)]


def check(
    path: Path, kind: type[Table], table: dict[str, Any], context: str = "", field_names: dict[str, str] | None = None
) -> Table:
    """Validate a table; turn pydantic's first error into one sentence with file, key, value and cure.

    `context` is the row of the file, `field_names` maps hearsim's keys to the file's.
    """
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        sentence = format_validation_error(error, kind, field_names)
    raise HearsimError(f"{path}: {context}{sentence}")


def format_validation_error(
    error: ValidationError, kind: type[BaseModel], field_names: dict[str, str] | None = None
) -> str:
    """Return pydantic's first error in values of `kind` as one sentence: key, value, cure."""
    first = min(error.errors(), key=lambda one: not _misspelt(one))  # a misspelt key explains a missing one
    return _sentence(kind, first, field_names or {})


def _sentence(kind: type[BaseModel], error: ErrorDetails, field_names: dict[str, str]) -> str:
    loc = error["loc"]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")
    for field, name in field_names.items():
        key = name + key.removeprefix(field) if key.startswith(field) else key
    if _misspelt(error):
        return unknown_key(key, str(loc[-1]), _keys_beside(kind, loc))
    if error["type"] == "missing":
        return f"the key {key} is missing: add it"
    invalid = error["input"]
    values = invalid if isinstance(invalid, list | tuple) else [invalid]
    value = "" if any(isinstance(one, dict | BaseModel) for one in values) else f" = {reprlib.repr(invalid)}"
    cure = HINTS.get(error["type"])
    if cure:
        return f"{key}{value} {cure.format(**error.get('ctx', {}))}"
    message = error["msg"].removeprefix("Value error, ")  # from hearsim.profile.schema
    return f"{key}{value}: {message}" if key else message


def _misspelt(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden"


def _keys_beside(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at `loc`, less its last step, may hold."""
    level: Any = kind
    for step in loc[:-1]:
        if isinstance(step, int):  # an index of a list, whose type was taken a step before
            continue
        level = level.model_fields[str(step)].annotation
        level = next((t for t in getattr(level, "__args__", (level,)) if hasattr(t, "model_fields")), level)
    return list(getattr(level, "model_fields", ()))


NOT_SIMULATED = {  # common names of missing features -> advice
    "ucl_db_hl": "give ucl_db_spl, in dB SPL",
    "left_bone": "bone conduction is not simulated: remove it",
    "right_bone": "bone conduction is not simulated: remove it",
    "dead_regions": "dead regions are not simulated: remove it",
    "conductive": "a conductive part is not simulated: remove it",
    "expansion": "expansion is not simulated: remove it",
    "frequency_lowering": "frequency lowering is not simulated: remove it",
    "volume": "there is no volume control: change the rig's headphones_full_scale_db_spl",
    "volume_db": "there is no volume control: change the rig's headphones_full_scale_db_spl",
    "bands_hz": "the aid has nine bands: remove it",
    "insertion_gain_db": "gains come from a rule: write one (`hearsim docs fitting`), and name it",
}


def unknown_key(path: str, key: str, known: list[str]) -> str:
    """Return the sentence for a key that is not known, with the nearest known ones."""
    if key in NOT_SIMULATED:
        return f"the key {path} is not known: {NOT_SIMULATED[key]}"
    others = f"known are {', '.join(known)}" if known else "remove it"
    return f"the key {path} is not known: {nearest(key, known) or others}"
