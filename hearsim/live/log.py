"""The session log: JSON lines of events with their samples, from which the session can be rendered again.

{"hearsim": "session log/1", "profile": {...}, "loss": false, "rate": 44100, "block": 128, "source": {...}}
{"event": "start", "at": 0, "gains": {...}, "step": "aid", "loss": false, "profile": 0}
{"event": "level", "at": 640, "gain": 0.1, "ramp": 66150}
{"profile": {...}}
{"recording": "out.wav", "at": 0, "samples": 441000, "sha256": "..."}

The profile of the header is number 0, others are numbered in order; a start has the number of its profile.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hearsim.core.errors import HearsimError
from hearsim.core.files import parse_json, read_text
from hearsim.live.events import Kind, from_table, profile_of
from hearsim.live.ledger import BLOCK
from hearsim.live.rings import Event
from hearsim.profile.schema import Profile

SCHEMA = "session log/1"


@dataclass(frozen=True)
class Recording:
    """A recording of the output: its first sample in the stream, its length, the checksum of its float32 samples."""

    path: Path
    at: int
    samples: int
    sha256: str

    def to_table(self) -> dict[str, Any]:
        """Return the line of the log."""
        return {"recording": str(self.path), "at": self.at, "samples": self.samples, "sha256": self.sha256}


@dataclass
class SessionLog:
    """The content of a log."""

    profiles: list[Profile]  # by number
    loss: bool
    rate: int
    source: dict[str, Any]
    moves: list[Event] = field(default_factory=list)  # of the worker
    changes: list[Event] = field(default_factory=list)  # of the audio process
    recordings: list[Recording] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The length of the stream in samples."""
        return self.changes[-1].at


def profile_line(profile: Profile) -> dict[str, Any]:
    """Return the log's line with another profile."""
    return {"profile": profile.model_dump(mode="json")}


def header(profile: Profile, loss: bool, rate: int, source: dict[str, Any]) -> dict[str, Any]:
    """Return the first line of a log; `source` is the input (a file's path and checksum, or the device)."""
    rest = {"loss": loss, "rate": rate, "block": BLOCK, "source": source}
    return {"hearsim": SCHEMA, **profile_line(profile), **rest}


def read_log(path: Path) -> SessionLog:
    """Read a session log; raises `HearsimError` with file, line and cure."""
    cure = "give the log of a live session"
    lines = read_text(path, cure).splitlines()
    tables = [parse_json(line, f"{path}, line {number}", cure) for number, line in enumerate(lines, 1)]
    if not tables or tables[0].get("hearsim") != SCHEMA:
        raise HearsimError(f"{path} is not a session log: it does not begin with {SCHEMA!r}")
    first = tables[0]
    if missing := [key for key in ("block", "loss", "rate", "source", "profile") if key not in first]:
        raise HearsimError(f"{path}, line 1 lacks {', '.join(missing)}: was it edited by hand?")
    if first["block"] != BLOCK:
        raise HearsimError(f"{path} was played in blocks of {first['block']} by another version, this one has {BLOCK}")
    log = SessionLog([_profile(first, f"{path}, line 1")], first["loss"], first["rate"], first["source"])
    for number, table in enumerate(tables[1:], 2):
        _add(log, table, f"{path}, line {number}")
    if not log.changes or log.changes[-1].kind != Kind.END:
        raise HearsimError(
            f"{path} has no end: the session was cut off, and can't be rendered again to its last sample"
        )
    return log


def _profile(table: dict[str, Any], where: str) -> Profile:
    try:
        return Profile.model_validate_json(json.dumps(table["profile"]))
    except ValidationError as error:
        raise HearsimError(f"{where}: its profile is invalid: {error.errors()[0]['msg']}") from None


def _recording(table: dict[str, Any], where: str) -> Recording:
    try:
        return Recording(Path(table["recording"]), int(table["at"]), int(table["samples"]), str(table["sha256"]))
    except (KeyError, TypeError, ValueError) as error:
        raise HearsimError(f"{where} is not a recording of a session log ({error!r}): was it edited by hand?") from None


def _add(log: SessionLog, table: dict[str, Any], where: str) -> None:
    if "recording" in table:
        log.recordings.append(_recording(table, where))
        return
    if "event" not in table and "profile" in table:
        log.profiles.append(_profile(table, where))
        return
    event = from_table(table, where)
    if event.kind == Kind.START and not 0 <= profile_of(event) < len(log.profiles):
        raise HearsimError(f"{where} begins with profile {profile_of(event)}, which no line before it holds")
    (log.moves if event.kind in (Kind.START, Kind.MOVE) else log.changes).append(event)
