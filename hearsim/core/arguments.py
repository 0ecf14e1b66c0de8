"""Arguments of public functions: values of a wrong kind are refused in a sentence with the cure."""

import reprlib

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray


def kind_of(value: object) -> str:
    """Describe a value in an error sentence: its type, or an array's type and shape.

    >>> kind_of(np.zeros((2, 3))), kind_of("song.flac")
    ('an array of float64 (2, 3)', "'song.flac'")
    """
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    return reprlib.repr(value) if isinstance(value, str | int | float | None) else type(value).__name__


def check_kind(expected: str, value: object, kinds: type | tuple[type, ...], cure: str) -> None:
    """Raise `HearsimError` for a value of another type: expectation, value, cure."""
    if not isinstance(value, kinds):
        raise HearsimError(f"{expected}, not {kind_of(value)}: {cure}")


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise `HearsimError` for anything but a whole number from `least` on."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise HearsimError(f"{name} = {reprlib.repr(value)} is not a whole number from {least} on: give one")


def check_number(name: str, value: object, least: float, most: float) -> float:
    """Return a real number from `least` to `most`; raises `HearsimError` for others, NaN and truth values.

    >>> check_number("release_ms", float("nan"), 1, 5000)
    Traceback (most recent call last):
    hearsim.core.errors.HearsimError: release_ms = nan is not a number from 1 to 5000: give one
    """
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not least <= value <= most:  # type: ignore[operator]
        raise HearsimError(f"{name} = {reprlib.repr(value)} is not a number from {least:g} to {most:g}: give one")
    return float(value)  # type: ignore[arg-type]


def number_array(name: str, values: object) -> Curve:
    """Return finite numbers as an array of float64; raises `HearsimError` for others.

    >>> number_array("gains", [1, "x"])
    Traceback (most recent call last):
    hearsim.core.errors.HearsimError: gains = [1, 'x'] are not finite numbers: give an array of them
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind in "iuf" and np.isfinite(array).all():
            return array.astype(np.float64)
    except ValueError:  # lists of different lengths
        pass
    raise HearsimError(f"{name} = {reprlib.repr(values)} are not finite numbers: give an array of them")


def whole_number(name: str, value: float) -> int:
    """Return a whole number from 1 on, 44100.0 too, as an int; raises `HearsimError` for others.

    >>> whole_number("rate", 44100.0)
    44100
    """
    whole = int(value) if isinstance(value, float | np.floating) and float(value).is_integer() else value
    check_count(name, whole)
    return int(whole)


def array_fault(samples: object, name: str) -> str:
    """Return the fault of samples and its cure as a sentence; "" for a float32 array."""
    if not isinstance(samples, np.ndarray):
        return f"{name} must be a float32 array, not {kind_of(samples)}: Audio.from_array(array, rate) converts it"
    if samples.dtype == np.float32:
        return ""
    if samples.dtype.kind == "f":
        return f"{name} of {samples.dtype}: convert with array.astype('float32')"
    if samples.dtype.kind in "iu":
        return f"{name} of {samples.dtype} instead of float32: Audio.from_array(array, rate) scales whole numbers"
    return f"{name} of {samples.dtype}, which is not a type of samples: give float32"


def check_array(name: str, array: object, most_channels: int = 2) -> FloatArray | Curve:
    """Return an array (channels, frames) of float32 or float64 unchanged; raises `HearsimError` for others."""
    cure = "Audio.from_array(array, rate).samples has the right layout"
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
        raise HearsimError(f"{name} must be an array of float64 or float32, not {kind_of(array)}: {cure}")
    if array.ndim != 2:
        raise HearsimError(f"{name} has the shape {array.shape}, not (channels, frames): {cure}")
    if not 1 <= array.shape[0] <= most_channels:
        swapped = " (channels come first)" if array.shape[1] in range(1, most_channels + 1) else ""
        channels = f"1 to {most_channels} channels"
        raise HearsimError(f"{name} has the shape {array.shape}, not {channels} x frames{swapped}: {cure}")
    return array
