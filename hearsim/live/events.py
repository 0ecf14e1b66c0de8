"""Events of a session at their samples, in the event rings and in the session log.

The worker's events count samples of the source, the audio process's count samples of the output; both began at 0
together. The log (JSON lines) opens with a header and holds one event a line, in reading order.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, get_args

from hearsim.core.errors import HearsimError
from hearsim.live.rings import Event
from hearsim.profile.schema import STEMS

Step = Literal["dry", "remix", "aid"]
STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True)
class MixerState:
    """Controls that act while the path plays: amplitude factors per stem, the step of the bypass, the hearing loss."""

    gains: dict[str, float] = field(default_factory=dict)
    step: Step = "aid"
    loss: bool = False


class Kind(IntEnum):
    """The kinds of events, with their values."""

    START = 1  # worker: the path restarts, from silence; gains of the stems, step, loss, number of the profile
    MOVE = 2  # worker: the mixer moves there; the same values
    FORMAT = 10  # audio: a stream begins, dry and silent; period, delay
    WET = 11  # audio: a crossfade to the worker's sound begins; ramp
    DRY = 12  # audio: a crossfade to the dry signal begins; ramp, gain of the dry signal
    LEVEL = 13  # audio: the level of everything moves; gain, ramp
    STARVED = 14  # audio: the file was not read in time; samples that are silence instead
    END = 15  # audio: the stream ends before this sample
    PROFILE = 16  # audio, in silence: the path is that of a profile; its number, latency, ceilings left and right


FIELDS: dict[Kind, tuple[str, ...]] = {
    Kind.FORMAT: ("period", "delay"),
    Kind.WET: ("ramp",),
    Kind.DRY: ("ramp", "gain"),
    Kind.LEVEL: ("gain", "ramp"),
    Kind.STARVED: ("samples",),
    Kind.END: (),
    Kind.PROFILE: ("number", "latency", "left", "right"),
}
PROFILE_AT = len(STEMS) + 2  # where a START has the number of its profile
WHOLE = ("period", "delay", "ramp", "samples", "number", "latency")


def state_values(mixer: MixerState) -> tuple[float, ...]:
    """Return the values of a MOVE event; those of a START go on with the number of the profile."""
    return (*(mixer.gains.get(stem, 1.0) for stem in STEMS), STEPS.index(mixer.step), mixer.loss)


def mixer_state_of(event: Event) -> MixerState:
    """Return the mixer state of a START or MOVE event."""
    *gains, step, loss = event.values[: len(STEMS) + 2]
    return MixerState(dict(zip(STEMS, gains, strict=True)), STEPS[int(step)], bool(loss))


def profile_of(start: Event) -> int:
    """Return the number of the profile that a START event begins with."""
    return int(start.values[PROFILE_AT])


def to_table(event: Event) -> dict[str, Any]:
    """Return an event as a line of the log: names instead of numbers; floats come back exactly."""
    kind = Kind(event.kind)
    table: dict[str, Any] = {"event": kind.name.lower(), "at": event.at}
    if kind in (Kind.START, Kind.MOVE):
        mixer = mixer_state_of(event)
        table |= {"gains": mixer.gains, "step": mixer.step, "loss": mixer.loss}
        return table if kind == Kind.MOVE else {**table, "profile": profile_of(event)}
    values = zip(FIELDS[kind], event.values, strict=False)
    return {**table, **{name: int(value) if name in WHOLE else value for name, value in values}}


def from_table(table: dict[str, Any], where: str) -> Event:
    """Return the event of a line; raises `HearsimError` naming `where` for an invalid one."""
    try:
        kind, at = Kind[str(table["event"]).upper()], int(table["at"])
        if kind in (Kind.START, Kind.MOVE):
            gains = {stem: float(table["gains"][stem]) for stem in STEMS}
            number = () if kind == Kind.MOVE else (int(table["profile"]),)
            return Event(kind, at, (*state_values(MixerState(gains, table["step"], bool(table["loss"]))), *number))
        return Event(kind, at, tuple(float(table[name]) for name in FIELDS[kind]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise HearsimError(f"{where} is not an event of a session log ({error!r}): was it edited by hand?") from None
