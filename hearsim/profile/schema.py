"""Who listens, to which mix, with which aid, on which rig: the four parts of a profile.

All are frozen and checked: an unknown key, a threshold of 200 dB HL or an MPO the headphones can't play is
refused when the profile is loaded (`hearsim.profile.load`), not in the middle of a render.
"""

import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Never, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hearsim.core.audio import check_kind, number_array
from hearsim.core.calibration import Calibration
from hearsim.core.errors import HearsimError
from hearsim.core.files import model_hop
from hearsim.core.networks import resolve_model
from hearsim.core.plugins import known_names, plugin_names
from hearsim.core.units import Curve, db_to_gain
from hearsim.core.validation import Settings, nearest, plain_init, unknown_key

CLOSED_RULES = ("nal-nl", "dsl", "nl1", "nl2")
PEAK_OVER_RMS_DB = 3.0103  # of a sine: 20 lg sqrt 2
MPO_DB_SPL = (60.0, 140.0)
"""Least and greatest limit of an aid's output."""
CUTOFF_HZ = (20.0, 8000.0)
"""Least and greatest cutoff of a vent."""


def _gain_db(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "mute" or (number and -60 <= float(value) <= 12):  # type: ignore[arg-type]
        return value
    raise ValueError('give -60 to +12 dB, or "mute"')


def _known_rule(name: str) -> str:
    """Return the name of a fitting rule; raises for one that no file of hearsim.aid.fitting and no plug-in has."""
    names = known_names("hearsim.fittings")
    if name in names:
        return name
    *first, last = map(repr, names)
    closed = "its tables are not published: " if name.lower().startswith(CLOSED_RULES) else ""
    raise PydanticCustomError("not_known", "{cure}", {"cure": f"{closed}give {', '.join(first)} or {last}"})


Number = Annotated[float, Field(strict=True)]  # neither true nor "12"
ThresholdDbHl = Annotated[Number, Field(ge=-20, le=130)]
FrequencyHz = Annotated[Number, Field(ge=100, le=20000)]
LimitDbSpl = Annotated[Number, Field(ge=MPO_DB_SPL[0], le=MPO_DB_SPL[1])]
GainDb = Annotated[float | Literal["mute"], BeforeValidator(_gain_db)]


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


class Ears(Settings):
    """One level in dB SPL per ear."""

    left: LimitDbSpl
    right: LimitDbSpl


class Listener(Settings):
    """A person: an audiogram per ear and, where measured, the uncomfortable level (UCL) per ear.

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

    @classmethod
    def from_thresholds(
        cls,
        thresholds_db_hl: Mapping[float, float] | None = None,
        *,
        left: Mapping[float, float] | None = None,
        right: Mapping[float, float] | None = None,
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
        >>> Listener.from_thresholds(left={1000: 20}, right={1000: 60}).right.thresholds_db_hl
        (60.0,)

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


class Gains(Settings):
    """Gains in dB, -60 .. +12, one per stem; the word "mute" takes a stem out. Stems left out stay at 0 dB."""

    vocals: GainDb = 0.0
    drums: GainDb = 0.0
    bass: GainDb = 0.0
    other: GainDb = 0.0


STEMS = tuple(Gains.model_fields)


class Mix(Settings):
    """A gain in dB for each stem.

    Examples
    --------
    >>> mix = Mix(name="louder vocals", gains_db=Gains(vocals=6, drums="mute"))
    >>> round(mix.gain("vocals"), 3), mix.gain("drums")
    (1.995, 0.0)
    """

    name: str
    gains_db: Gains = Gains()

    def gain(self, stem: str) -> float:
        """Return the amplitude factor of a stem; raises `HearsimError` for a stem that is none of `STEMS`.

        >>> Mix(name="x", gains_db=Gains(drums="mute")).gain("drums")
        0.0
        """
        if stem not in STEMS:
            raise HearsimError(f"Mix: there is no stem {stem!r}: give {', '.join(STEMS[:-1])} or {STEMS[-1]}")
        db: float | str = getattr(self.gains_db, stem)
        return 0.0 if isinstance(db, str) else db_to_gain(db)


class Compression(Settings):
    """Multiband WDRC: ratio, knee point as band level, attack and release as in ANSI S3.22.

    A ratio of 1 is linear amplification: knee and times then have nothing to act on. A band is compressed no further
    than its prescribed gain allows: `Compensation.compression_ratio` gives the ratio in force.
    """

    ratio: Number = Field(ge=1, le=10)
    knee_db_spl: Number = Field(ge=20, le=100)
    attack_ms: Number = Field(ge=0.5, le=100)
    release_ms: Number = Field(ge=5, le=5000)


def _known_stage(name: str) -> str:
    """Return the name of a plug-in stage; raises for one that no installed package offers."""
    names = plugin_names("hearsim.stages")
    if name in names:
        return name
    others = f"there are {', '.join(names)}" if names else "none is installed"
    cure = nearest(name, names) or f"install the package that offers it ({others})"
    raise PydanticCustomError("unknown_stage", "{cure}", {"cure": cure})


class Vent(Settings):
    """An opening: direct sound comes in below the cutoff, aided sound leaks out there."""

    cutoff_hz: Number = Field(ge=CUTOFF_HZ[0], le=CUTOFF_HZ[1])


class Aid(Settings):
    """The device: its block, fitting rule, compression, maximum power output (MPO) and vent.

    Without `block_samples` the block is the hop of the model (`Profile.block_samples`). `stages` names stages of other
    packages (entry points under hearsim.stages); they run between compensation and limiter, in pascals.

    Examples
    --------
    >>> aid = Aid(name="mine", scenario="closed dome", rule="nal-r", mpo_db_spl=105, block_samples=128)
    >>> Profile("N3", aid=aid).block_samples
    128
    """

    name: str = "own"
    scenario: Literal["streamed music", "closed dome", "open dome"]
    block_samples: int | None = Field(default=None, strict=True, ge=16, le=8192)
    rule: Annotated[str, AfterValidator(_known_rule)]
    mpo_db_spl: LimitDbSpl
    compression: Compression | None = None
    vent: Vent | None = None
    stages: tuple[Annotated[str, AfterValidator(_known_stage)], ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rule == "none" and self.compression is not None:
            raise ValueError(
                'with rule = "none" there is no gain to compress, and [compression] has no effect: remove it, or name '
                "a rule"
            )
        if self.scenario == "open dome" and self.vent is None:
            raise ValueError(
                'scenario = "open dome" has no effect without a vent: add [vent] with cutoff_hz, or write "closed dome"'
            )
        if self.scenario == "streamed music" and self.vent is not None:
            raise ValueError(
                'scenario = "streamed music" has no direct sound, and [vent] lets some in: remove [vent], or write '
                '"open dome"'
            )
        return self


class Rig(Settings):
    """Microphone and headphones: the level in dB SPL of a digital RMS of 1.0 at either end.

    Examples
    --------
    >>> rig = Rig(name="loud", microphone_full_scale_db_spl=94, headphones_full_scale_db_spl=120)
    >>> rig.headphones.full_scale_db_spl
    120.0
    """

    name: str = "own"
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


def _known_model(model: object) -> object:
    """Return a model's name, its folder as text, or a network; raises for anything else."""
    if isinstance(model, str | Path):
        return str(model)
    if not isinstance(model, type) and all(hasattr(model, name) for name in ("hop", "stems", "step", "initial_state")):
        return model
    raise ValueError("give a model's name, its folder, or a SeparatorNet")


Model = Annotated[Any, BeforeValidator(_known_model)]


def _gains_of(gains_db: Mapping[str, float | str]) -> Gains:
    """Return the gains that `Profile(mix={...})` gives; raises `HearsimError`, naming the mix."""
    try:
        return Gains(**gains_db)  # type: ignore[arg-type]
    except HearsimError as error:
        raise HearsimError(f"Profile: mix: {str(error).removeprefix('Gains: ')}") from None


class Profile(Settings):
    """A listener, a mix, an aid and a rig; and the model that separates.

    Parameters
    ----------
    listener : Listener or str
        Who listens: an object, a name of the shipped ones, or a file, that of a profile included.
    mix : Mix, dict or str
        Gains of the stems: an object, `{"vocals": 6}` in dB, a name or a file. Default: 0 dB on every stem.
    aid, rig : Aid, Rig or str
        The device and its calibration: objects, names or files. Defaults: those of the default profile,
        "closed" and "aid".
    model : str, Path or SeparatorNet
        The network that separates: the name of a shipped one or of a plug-in, a model's folder, `module:name` or
        `file.py:name` of one's own, or a network.
    name : str
        The profile's name in reports. Default: that of the listener.

    Raises
    ------
    HearsimError
        For parts that do not exist or do not fit each other.

    Examples
    --------
    >>> listener = Listener.from_thresholds({500: 30, 1000: 40, 2000: 55, 4000: 65}, name="Anna")
    >>> profile = Profile(listener, mix={"vocals": 6})
    >>> profile.name, profile.aid.name, profile.rig.name, round(profile.mix.gain("vocals"), 3)
    ('Anna', 'closed', 'aid', 1.995)

    """

    name: str
    listener: Listener
    mix: Mix
    aid: Aid
    rig: Rig
    model: Model = "hs-tasnet-lite"

    @plain_init
    def __init__(
        self,
        listener: Listener | str,
        mix: Mix | Mapping[str, float | str] | str = "flat",
        aid: Aid | str = "closed",
        rig: Rig | str = "aid",
        model: str | Path | object = "hs-tasnet-lite",
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        from hearsim.profile import load  # which imports this file

        for key in unknown:
            raise HearsimError(f"Profile: {unknown_key(key, key, list(type(self).model_fields))}")
        for key, part, kind in (
            ("listener", listener, Listener),
            ("mix", mix, Mix),
            ("aid", aid, Aid),
            ("rig", rig, Rig),
        ):
            kinds = (kind, str, Mapping) if kind is not Listener else (kind, str)
            check_kind(
                f"Profile: {key} must be {'an' if kind is Aid else 'a'} {kind.__name__}, a name or a file",
                part,
                kinds,
                "give one of them",
            )
        if isinstance(mix, Mapping):
            mix = Mix(name="own", gains_db=_gains_of(mix))
        parts = {
            "listener": load.load_listener(listener) if isinstance(listener, str) else listener,
            "mix": load.load_mix(mix) if isinstance(mix, str) else mix,
            "aid": load.load_aid(aid) if isinstance(aid, str) else aid,
            "rig": load.load_rig(rig) if isinstance(rig, str) else rig,
        }
        if isinstance(model, str | Path):
            resolve_model(str(model), Path.cwd(), "Profile: ")  # refuses a misspelt name here
        label = name if name is not None else getattr(parts["listener"], "name", "profile")
        super().__init__(name=label, model=model, **parts)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return the profile as a table; for JSON raises `HearsimError` where the model is a network."""
        if options.get("mode") == "json":
            self._check_named_model()
        return super().model_dump(**options)

    def model_dump_json(self, **options: Any) -> str:
        """Return the profile as JSON; raises `HearsimError` where the model is a network."""
        self._check_named_model()
        return super().model_dump_json(**options)

    def _check_named_model(self) -> None:
        if not isinstance(self.model, str):
            raise HearsimError(
                f"the model of this profile is a network ({type(self.model).__name__}), which a file can't name: save "
                "it with hearsim.separation.models.save_model, and give its folder"
            )

    @property
    def block_samples(self) -> int:
        """Samples in a block of the aid: as its settings say, else the model's hop, which delays least.

        >>> [Profile("N3", model=name).block_samples for name in ("hs-tasnet-lite", "hs-tasnet-lite-6ms")]
        [512, 128]
        """
        return self.aid.block_samples or model_hop(self.model)

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
