"""The specification of a listening test: one TOML, checked, with its parts loaded; unknown keys are refused."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_toml
from hearsim.core.networks import resolve_model
from hearsim.core.validation import Settings, check
from hearsim.listening_test.names import ANCHORS_HZ, CALIBRATION, HIDDEN, PRACTICE, REFERENCE
from hearsim.profile.load import load_part
from hearsim.profile.schema import Aid, Listener, Mix, Number, Profile, Rig

ORACLE = "oracle"
"""The "model" of a condition whose remix uses the true stems."""

RESERVED = (REFERENCE, *ANCHORS_HZ, HIDDEN, PRACTICE, CALIBRATION)
MOST_SIGNALS = 12  # BS.1534-3: per trial, hidden reference and anchors included
LONGEST_S = 12.0  # BS.1534-3 has about 10 s; webMUSHRA refuses more than 12

CONSENT = "<p>I have been told what this test is about. I take part of my own free will and may stop at any time.</p>"
INSTRUCTIONS = {
    "mushra": "<p>Listen to the reference and to all conditions, as often as you like. Then say how close each "
    "condition comes to the reference: 100 is no difference. One of the conditions is the reference itself.</p>",
    "paired": "<p>Listen to the reference, to A and to B, as often as you like. One of the two is the reference "
    "itself: say which.</p>",
}


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", value):
        raise ValueError("take letters, digits, - and _, 40 at most: it becomes part of file names and addresses")
    return value


Name = Annotated[str, AfterValidator(_name)]


class Participant(Settings):
    """A participant: the audiogram for the fitting, and the group for averages of ratings."""

    id: Name
    listener: str
    group: str = ""  # default: the listener's name


class ExcerptSpec(Settings):
    """An excerpt: a music file and the folder of its true stems, or the built-in song of a seed."""

    name: Name
    path: Path | None = None
    stems: Path | None = None
    demo: int | None = Field(default=None, strict=True, ge=0)
    start_s: Number = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.path is None) == (self.demo is None):
            raise ValueError("give either path (a music file) or demo (a seed of the built-in song)")
        if self.demo is not None and self.stems is not None:
            raise ValueError("the built-in song has its own stems: take the key stems out")
        return self


class Condition(Settings):
    """A condition to be rated; mix and aid default to the reference's, the model to the test's."""

    name: Name
    mix: str | None = None
    model: str | None = None  # "oracle" remixes the true stems
    aid: str | None = None


class ExportSpec(Settings):
    """One listening test."""

    name: Name
    method: Literal["mushra", "paired"] = "mushra"
    formats: tuple[Literal["webmushra", "beaqlejs", "plain"], ...] = Field(default=("webmushra",), min_length=1)
    mix: str  # of the reference: the agreed target
    aid: str
    rig: str
    model: str = "hs-tasnet-lite"
    seconds: Number = Field(default=10.0, ge=1, le=LONGEST_S)
    lufs: Number | None = Field(default=None, ge=-60, le=-6)  # into the aid; default: that of each reference
    gain_db: Number = Field(default=0.0, ge=-60, le=60)  # of every file, after the aid
    samples: Literal["24-bit", "float"] = "24-bit"
    seed: int = Field(default=0, strict=True, ge=0)
    practice: str = ""  # a song; default: the first
    consent: str = CONSENT
    instructions: str = ""  # of each trial; default: those for the method
    participants: tuple[Participant, ...] = Field(min_length=1)
    songs: tuple[ExcerptSpec, ...] = Field(min_length=1)
    conditions: tuple[Condition, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        kinds = {
            "participants": [one.id for one in self.participants],
            "songs": [one.name for one in self.songs],
            "conditions": [one.name for one in self.conditions],
        }
        for kind, names in kinds.items():
            lower = [name.lower() for name in names]  # some file systems ignore case
            for name in names:
                if lower.count(name.lower()) > 1:
                    raise ValueError(f"two {kind} are called {name}: give each a name of its own")
                if name.lower() in RESERVED:
                    raise ValueError(f"{kind} can't be called {name}, which hearsim needs itself: choose another name")
        most = MOST_SIGNALS - 1 - len(ANCHORS_HZ)
        if self.method == "mushra" and len(self.conditions) > most:
            raise ValueError(
                f"there are {len(self.conditions)} conditions: a MUSHRA trial takes {most} beside reference and anchors"
            )
        if self.practice and self.practice not in kinds["songs"]:
            raise ValueError(f"practice = {self.practice!r} is not one of the songs: name one of {kinds['songs']}")
        return self


@dataclass(frozen=True)
class Version:
    """A version of a song in a trial: a remix by a model (or of the true stems), low-passed or not, through an aid."""

    name: str
    mix: Mix
    model: str
    aid: Aid
    low_pass_hz: float | None = None

    @property
    def role(self) -> str:
        """Reference, anchor or condition."""
        return REFERENCE if self.name == REFERENCE else "anchor" if self.low_pass_hz else "condition"


@dataclass(frozen=True)
class Plan:
    """A spec with all its parts: the versions of each song, and each listener that they are fitted to."""

    path: Path
    spec: ExportSpec
    rig: Rig
    versions: tuple[Version, ...]  # the reference first, then the anchors
    fittings: dict[str, Listener]  # "fitting1": the listener
    fitted: dict[str, str]  # participant: fitting

    def profile(self, fitting: str, version: Version) -> Profile:
        """Return the profile of a version for one listener; raises `HearsimError` for an invalid combination."""
        table: dict[str, Any] = {"name": version.name, "listener": self.fittings[fitting], "mix": version.mix}
        table |= {"aid": version.aid, "rig": self.rig} | ({} if version.model == ORACLE else {"model": version.model})
        return check(self.path, Profile, table)

    @property
    def practice(self) -> str:
        """The song to practise with."""
        return self.spec.practice or self.spec.songs[0].name

    def group(self, participant: Participant) -> str:
        """Return the group that a participant's ratings belong to."""
        return participant.group or self.fittings[self.fitted[participant.id]].name

    def test_id(self, participant: Participant) -> str:
        """Return the test id that marks a participant's results."""
        return f"{self.spec.name}-{participant.id}"


def read_plan(path: Path) -> Plan:
    """Read a listening test's spec and the files that it names; raises `HearsimError` naming file, key and cure."""
    spec = check(path, ExportSpec, read_toml(path))
    base = path.parent
    aid = load_part(spec.aid, Aid, base, f"{path}: aid: ")
    mix = load_part(spec.mix, Mix, base, f"{path}: mix: ")
    model = _model(spec.model, base, f"{path}: model: ")
    versions = [Version(REFERENCE, mix, ORACLE, aid)]
    versions += [Version(name, mix, ORACLE, aid, hz) for name, hz in ANCHORS_HZ.items()]
    for one in spec.conditions:
        context = f"{path}: condition {one.name}: "
        versions.append(
            Version(
                one.name,
                load_part(one.mix, Mix, base, context) if one.mix else mix,
                _model(one.model, base, context) if one.model else model,
                load_part(one.aid, Aid, base, context) if one.aid else aid,
            )
        )
    for version in versions:
        if version.aid.vent is not None:
            raise HearsimError(
                f"{path}: aid {version.aid.name} has a vent, and headphones play no direct sound through it: name an "
                "aid without a vent"
            )
    fittings: dict[str, Listener] = {}
    fitted = {}
    for participant in spec.participants:
        listener = load_part(participant.listener, Listener, base, f"{path}: participant {participant.id}: ")
        fitting_key = next((key for key, other in fittings.items() if other == listener), f"fitting{len(fittings) + 1}")
        fittings[fitting_key], fitted[participant.id] = listener, fitting_key
    plan = Plan(path, spec, load_part(spec.rig, Rig, base, f"{path}: rig: "), tuple(versions), fittings, fitted)
    for fitting in fittings:
        for version in versions:
            plan.profile(fitting, version)  # refuses an MPO that the rig can't play
    return plan


def _model(name: str, base: Path, context: str) -> str:
    """Return a model's name that is valid everywhere, or "oracle"."""
    return name if name == ORACLE else resolve_model(name, base, context)
