"""Who listens, to which mix, with which aid, on which rig: the four parts of a profile.

All are frozen and checked: an unknown key, a threshold of 200 dB HL or an MPO the headphones can't play is
refused when the profile is loaded (`hearsim.profile.load`), not in the middle of a render.
"""

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from hearsim.core.calibration import Calibration
from hearsim.core.units import Curve, db_to_gain
from hearsim.core.validation import Settings

PEAK_OVER_RMS_DB = 3.0103  # of a sine: 20 lg sqrt 2


def _gain_db(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "mute" or (number and -60 <= float(value) <= 12):  # type: ignore[arg-type]
        return value
    raise ValueError('give -60 to +12 dB, or "mute"')


Number = Annotated[float, Field(strict=True)]  # neither true nor "12"
ThresholdDbHl = Annotated[Number, Field(ge=-20, le=130)]
FrequencyHz = Annotated[Number, Field(ge=100, le=20000)]
GainDb = Annotated[float | Literal["mute"], BeforeValidator(_gain_db)]


class Audiogram(Settings):
    """Pure-tone thresholds of one ear: dB HL at ascending frequencies in Hz."""

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
        wanted = np.log(np.asarray(frequencies_hz, np.float64))
        thresholds: Curve = np.interp(wanted, np.log(self.frequencies_hz), self.thresholds_db_hl)
        return thresholds


class Ears(Settings):
    """One level in dB SPL per ear."""

    left: Number = Field(ge=60, le=140)
    right: Number = Field(ge=60, le=140)


class Listener(Settings):
    """A person: an audiogram per ear and, where measured, the uncomfortable level (UCL) per ear."""

    name: str
    left: Audiogram
    right: Audiogram
    ucl_db_spl: Ears | None = None
    source: str = ""

    @property
    def ears(self) -> tuple[Audiogram, Audiogram]:
        """The audiograms, left first."""
        return self.left, self.right


class Gains(Settings):
    """Gains in dB, -60 .. +12, one per stem; the word "mute" takes a stem out. Stems left out stay at 0 dB."""

    vocals: GainDb = 0.0
    drums: GainDb = 0.0
    bass: GainDb = 0.0
    other: GainDb = 0.0


STEMS = tuple(Gains.model_fields)


class Mix(Settings):
    """What a listener likes more or less of."""

    name: str
    gains_db: Gains = Gains()

    def gain(self, stem: str) -> float:
        """Return the amplitude factor of a stem.

        >>> Mix(name="x", gains_db=Gains(drums="mute")).gain("drums")
        0.0
        """
        db: float | str = getattr(self.gains_db, stem)
        return 0.0 if isinstance(db, str) else db_to_gain(db)


class Compression(Settings):
    """Multiband WDRC: ratio, knee point as band level, attack and release as in ANSI S3.22."""

    ratio: Number = Field(ge=1, le=10)
    knee_db_spl: Number = Field(ge=20, le=100)
    attack_ms: Number = Field(ge=0.5, le=100)
    release_ms: Number = Field(ge=5, le=5000)


class Vent(Settings):
    """An opening: direct sound comes in below the cutoff, aided sound leaks out there."""

    cutoff_hz: Number = Field(ge=20, le=8000)


class Aid(Settings):
    """The device: its block, fitting rule, compression, maximum power output (MPO) and vent."""

    name: str
    scenario: Literal["streamed music", "closed dome", "open dome"]
    block_samples: int = Field(strict=True, ge=16, le=8192)
    rule: Literal["none", "nal-r", "nal-rp"]
    mpo_db_spl: Number = Field(ge=60, le=140)
    compression: Compression | None = None
    vent: Vent | None = None


class Rig(Settings):
    """Microphone and headphones: the level in dB SPL of a digital RMS of 1.0 at either end."""

    name: str
    microphone_full_scale_db_spl: Number = Field(ge=60, le=160)
    headphones_full_scale_db_spl: Number = Field(ge=60, le=160)

    @property
    def microphone(self) -> Calibration:
        """Calibration of the input."""
        return Calibration(self.microphone_full_scale_db_spl)

    @property
    def headphones(self) -> Calibration:
        """Calibration of the output."""
        return Calibration(self.headphones_full_scale_db_spl)


class Profile(Settings):
    """A listener, a mix, an aid and a rig; and the model that separates."""

    name: str
    listener: Listener
    mix: Mix
    aid: Aid
    rig: Rig
    model: str = "hs-tasnet-lite"

    @property
    def mpo_db_spl(self) -> tuple[float, float]:
        """The limit per ear: the aid's MPO or the ear's UCL, whichever is lower."""
        ucl = self.listener.ucl_db_spl
        if ucl is None:
            return self.aid.mpo_db_spl, self.aid.mpo_db_spl
        return min(self.aid.mpo_db_spl, ucl.left), min(self.aid.mpo_db_spl, ucl.right)

    @model_validator(mode="after")
    def _check(self) -> Self:
        limit = max(self.mpo_db_spl)
        room = self.rig.headphones_full_scale_db_spl - PEAK_OVER_RMS_DB
        if limit > room:
            needed = math.ceil(10 * (limit + PEAK_OVER_RMS_DB)) / 10
            raise ValueError(
                f"the MPO of {limit:g} dB SPL (aid {self.aid.name}) would clip the headphones of rig {self.rig.name}, "
                f"which play up to {math.floor(10 * room) / 10:g}: lower mpo_db_spl, or take a rig whose "
                f"headphones_full_scale_db_spl is {needed:g} or more"
            )
        return self
