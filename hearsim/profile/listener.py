"""Who listens: an audiogram for each ear, and the uncomfortable level where it is measured."""

import reprlib
import warnings
from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from hearsim.core.arguments import number_array
from hearsim.core.audio import EARS
from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.core.units import Curve
from hearsim.core.validation import Number, Settings

MPO_DB_SPL = (60.0, 140.0)
"""Least and greatest limit of an aid's output."""

Thresholds = Mapping[int, float] | Mapping[float, float]
"""Thresholds in dB HL by frequency in Hz; a mapping's type of key is invariant, so whole numbers are named too."""

ThresholdDbHl = Annotated[Number, Field(ge=-20, le=130)]
FrequencyHz = Annotated[Number, Field(ge=100, le=20000)]
MEASURED_HZ = (500.0, 2000.0)
"""The range that an audiogram should reach: fitting rules need the mean loss at 500, 1000 and 2000 Hz."""
LimitDbSpl = Annotated[Number, Field(ge=MPO_DB_SPL[0], le=MPO_DB_SPL[1])]


class Audiogram(Settings):
    """Pure-tone thresholds of one ear: dB HL at ascending frequencies in Hz.

    Examples
    --------
    >>> Audiogram(frequencies_hz=(500, 1000, 4000), thresholds_db_hl=(10, 20, 60)).thresholds_db_hl
    (10.0, 20.0, 60.0)
    """

    frequencies_hz: tuple[FrequencyHz, ...] = Field(min_length=1)
    thresholds_db_hl: tuple[ThresholdDbHl, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.frequencies_hz) != len(self.thresholds_db_hl):
            counts = f"{len(self.frequencies_hz)} frequencies but {len(self.thresholds_db_hl)} thresholds"
            raise ValueError(f"{counts}: give one threshold for each frequency")
        if any(low >= high for low, high in zip(self.frequencies_hz, self.frequencies_hz[1:], strict=False)):
            raise ValueError("frequencies must ascend: sort them, each once")
        return self

    def at(self, frequencies_hz: Curve | tuple[float, ...]) -> Curve:
        """Return thresholds in dB HL, linear over log frequency, constant beyond the measured ends.

        >>> float(Audiogram(frequencies_hz=(500, 2000), thresholds_db_hl=(10, 30)).at((1000.0,))[0])
        20.0
        """
        given_hz = number_array("Audiogram.at: frequencies_hz", frequencies_hz)
        if not (given_hz > 0).all():
            raise HearsimError("Audiogram.at: frequencies_hz must be over 0 Hz: remove the others")
        thresholds: Curve = np.interp(np.log(given_hz), np.log(self.frequencies_hz), self.thresholds_db_hl)
        return thresholds

    @property
    def unmeasured(self) -> str:
        """The frequencies at which `at` holds a threshold constant, "" for an audiogram that spans `MEASURED_HZ`.

        >>> Audiogram(frequencies_hz=(1000, 2000), thresholds_db_hl=(10, 30)).unmeasured
        'below 1000 Hz'
        """
        lowest, highest = self.frequencies_hz[0], self.frequencies_hz[-1]
        below = [f"below {lowest:g} Hz"] if lowest > MEASURED_HZ[0] else []
        above = [f"above {highest:g} Hz"] if highest < MEASURED_HZ[1] else []
        return " and ".join(below + above)


class Ears(Settings):
    """One level in dB SPL per ear.

    Examples
    --------
    >>> ucl = Ears(left=104, right=98)
    >>> Listener.from_thresholds({500: 30, 2000: 55}, ucl_db_spl=ucl).ucl_db_spl.right
    98.0
    """

    left: LimitDbSpl
    right: LimitDbSpl


class Listener(Settings):
    """A person: an audiogram per ear and, where measured, the uncomfortable level (UCL) per ear.

    An audiogram that does not reach from 500 to 2000 Hz is taken with a `HearsimWarning`: the aid is then fitted to
    thresholds that were not measured.

    Examples
    --------
    >>> listener = Listener.from_thresholds({500: 30, 1000: 40, 2000: 55, 4000: 65})
    >>> listener.left.at((1000.0, 4000.0)).tolist()
    [40.0, 65.0]
    """

    name: str
    left: Audiogram
    right: Audiogram
    ucl_db_spl: Ears | None = None
    source: str = ""

    @model_validator(mode="after")
    def _warn_of_unmeasured(self) -> Self:
        for ear, audiogram in zip(EARS, self.ears, strict=True):
            if where := audiogram.unmeasured:
                sentence = f"thresholds {where} are not measured: the nearest one is assumed there"
                warnings.warn(f"{self.name}, {ear} ear: {sentence}", HearsimWarning, stacklevel=2)
        return self

    @classmethod
    def from_thresholds(
        cls,
        thresholds_db_hl: Thresholds | None = None,
        *,
        left: Thresholds | None = None,
        right: Thresholds | None = None,
        name: str = "listener",
        ucl_db_spl: "Ears | None" = None,
    ) -> "Listener":
        """Return a listener from thresholds in dB HL by frequency in Hz.

        Parameters
        ----------
        thresholds_db_hl : mapping of Hz to dB HL
            The thresholds of both ears.
        left, right : mapping of Hz to dB HL
            The thresholds of each ear, in place of `thresholds_db_hl`.
        name : str
            The listener's name in reports.
        ucl_db_spl : Ears
            The uncomfortable level of each ear in dB SPL, where measured.

        Raises
        ------
        HearsimError
            For an ear without thresholds, and for frequencies or thresholds out of range.

        Examples
        --------
        >>> listener = Listener.from_thresholds({500: 30, 2000: 55, 1000: 40})
        >>> listener.right.frequencies_hz
        (500.0, 1000.0, 2000.0)
        >>> Listener.from_thresholds(left={500: 20, 2000: 20}, right={500: 60, 2000: 70}).right.thresholds_db_hl
        (60.0, 70.0)

        """
        if thresholds_db_hl is not None and (left is not None or right is not None):
            raise HearsimError("thresholds of both ears and of one ear are given: leave out one or the other")
        if not any((thresholds_db_hl, left, right)):
            raise HearsimError("no thresholds are given: give {500: 30, 1000: 40, ...}, in dB HL by frequency in Hz")
        ears = {
            "left": thresholds_db_hl if left is None else left,
            "right": thresholds_db_hl if right is None else right,
        }
        for ear, thresholds in ears.items():
            if thresholds is None:
                raise HearsimError(f"thresholds of the {ear} ear are missing: give {ear}={{500: ..., 1000: ...}}")
        left_ear, right_ear = (_audiogram(ear, one) for ear, one in ears.items())
        return cls(name=name, left=left_ear, right=right_ear, ucl_db_spl=ucl_db_spl)

    @property
    def ears(self) -> tuple[Audiogram, Audiogram]:
        """The audiograms, left first."""
        return self.left, self.right


def _audiogram(ear: str, thresholds_db_hl: object) -> Audiogram:
    """Return the audiogram of one ear from thresholds by frequency; raises `HearsimError`."""
    if not isinstance(thresholds_db_hl, Mapping) or not thresholds_db_hl:
        raise HearsimError(f"{ear} ear: {reprlib.repr(thresholds_db_hl)} holds no thresholds: give {{500: 30, ...}}")
    if not thresholds_db_hl:
        raise HearsimError(f"{ear} ear: no thresholds are given: give {{500: 30, 1000: 40, ...}}")
    for hz, db_hl in thresholds_db_hl.items():
        try:
            Audiogram(frequencies_hz=(hz,), thresholds_db_hl=(db_hl,))
        except HearsimError as error:
            sentence = str(error).removeprefix("Audiogram: ")
            sentence = sentence.replace("frequencies_hz[0]", "frequency").replace("thresholds_db_hl[0]", "threshold")
            raise HearsimError(f"{ear} ear, {hz!r} Hz: {sentence}") from None
    frequencies = sorted(thresholds_db_hl)
    return Audiogram(
        frequencies_hz=tuple(frequencies), thresholds_db_hl=tuple(thresholds_db_hl[hz] for hz in frequencies)
    )
