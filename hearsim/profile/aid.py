"""The device: fitting rule, compression, maximum power output, vent and block."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hearsim.core.plugins import known_names, plugin_names
from hearsim.core.validation import Number, Settings, nearest
from hearsim.profile.listener import LimitDbSpl

CLOSED_RULES = ("nal-nl", "dsl", "nl1", "nl2")
CUTOFF_HZ = (20.0, 8000.0)
"""Least and greatest cutoff of a vent."""


def _known_rule(name: str) -> str:
    """Return the name of a fitting rule; raises for one that no file of hearsim.aid.fitting and no plug-in has."""
    names = known_names("hearsim.fittings")
    if name in names:
        return name
    *first, last = map(repr, names)
    closed = "its tables are not published: " if name.lower().startswith(CLOSED_RULES) else ""
    raise PydanticCustomError("not_known", "{cure}", {"cure": f"{closed}give {', '.join(first)} or {last}"})


class Compression(Settings):
    """Multiband WDRC: ratio, knee point as band level, attack and release as in ANSI S3.22.

    A ratio of 1 is linear amplification: knee and times then have nothing to act on. A band is compressed no further
    than its prescribed gain allows: `Compensation.compression_ratio` gives the ratio in force.

    Examples
    --------
    >>> compression = Compression(ratio=2, knee_db_spl=45, attack_ms=5, release_ms=50)
    >>> aid = Aid(scenario="closed dome", rule="nal-r", mpo_db_spl=105, compression=compression)
    >>> aid.compression.ratio
    2.0
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
    """An opening: direct sound comes in below the cutoff, aided sound leaks out there.

    Examples
    --------
    >>> Aid(scenario="open dome", rule="nal-r", mpo_db_spl=105, vent=Vent(cutoff_hz=1000)).vent
    Vent(cutoff_hz=1000.0)
    """

    cutoff_hz: Number = Field(ge=CUTOFF_HZ[0], le=CUTOFF_HZ[1])


class Aid(Settings):
    """The device: its block, fitting rule, compression, maximum power output (MPO) and vent.

    Without `block_samples` the block is the hop of the model (`Profile.block_samples`). `stages` names stages of other
    packages (entry points under hearsim.stages); they run between compensation and limiter, in pascals.

    Examples
    --------
    >>> from hearsim import Profile
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
