"""Calibration between full scale and pascals, and the two stages that change the unit."""

from dataclasses import dataclass

import numpy as np

from hearsim.core.arguments import check_kind, check_number
from hearsim.core.audio import UNIT_NAMES, Format, Unit
from hearsim.core.invalid_samples import MAX_PRESSURE_PA, zero_invalid
from hearsim.core.processor import Processor
from hearsim.core.units import FloatArray, spl_to_pascal


@dataclass(frozen=True)
class Calibration:
    """The level, in dB SPL, of a digital signal whose RMS is 1.0.

    It belongs to the rig (microphone, headphones), never to a person. A sine of full scale has RMS 0.707 and
    lies 3.01 dB lower. Raises `HearsimError` for anything but a level in dB SPL.

    Examples
    --------
    >>> Calibration(full_scale_db_spl=100.0).pascal_per_unit
    2.0
    """

    full_scale_db_spl: float

    def __post_init__(self) -> None:
        check_number("Calibration: full_scale_db_spl", self.full_scale_db_spl, -200, 400)

    @property
    def pascal_per_unit(self) -> float:
        """Pressure in pascals of a sample of 1.0."""
        return spl_to_pascal(self.full_scale_db_spl)


def _checked(stage: str, calibration: object) -> None:
    check_kind(f"{stage} takes a Calibration", calibration, Calibration, "give profile.rig.microphone, for example")


class _Scale(Processor):
    """A change of unit: one multiplication. Abstract."""

    _from: Unit
    _to: Unit

    def __init__(self, factor: float) -> None:
        self._factor = np.float32(factor)

    def prepare(self, fmt: Format) -> Format:
        if fmt.unit != self._from:
            raise self.refuse(fmt, f"it needs samples in {UNIT_NAMES[self._from]}; is the unit changed twice?")
        self._out = np.zeros(fmt.shape, np.float32)
        return Format(fmt.rate, fmt.channels, fmt.block, fmt.stems, self._to)


class ToPascal(_Scale):
    """Full scale to pascals, by the calibration of the microphone.

    The input of the aid: NaN, Inf and pressures over an atmosphere are replaced by silence here, and counted.
    """

    _from, _to = "fs", "pa"

    def __init__(self, calibration: Calibration) -> None:
        _checked("ToPascal", calibration)
        super().__init__(calibration.pascal_per_unit)
        self._loudest = MAX_PRESSURE_PA / calibration.pascal_per_unit

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        self._invalid_counts = np.zeros(fmt.channels, np.int64)
        return super().prepare(fmt)

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        return np.multiply(zero_invalid(block, self._loudest, self._invalid_counts), self._factor, out=self._out)

    def reset(self) -> None:  # noqa: D102
        self._invalid_counts.fill(0)

    @property
    def non_finite(self) -> tuple[int, ...]:  # noqa: D102
        return tuple(self._invalid_counts.tolist())


class ToFullScale(_Scale):
    """Pascals to full scale, by the calibration of the headphones."""

    _from, _to = "pa", "fs"

    def __init__(self, calibration: Calibration) -> None:
        _checked("ToFullScale", calibration)
        super().__init__(1 / calibration.pascal_per_unit)

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        with np.errstate(over="ignore"):
            return np.multiply(block, self._factor, out=self._out)
