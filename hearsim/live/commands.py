"""Typed commands for a session, one per line of the command line."""

from pathlib import Path

from hearsim.core.errors import HearsimError
from hearsim.live.events import STEPS
from hearsim.live.session import Session
from hearsim.profile.schema import STEMS

HELP = """\
Enter             panic: silence at once; Enter again fades in
vocals 6          a fader, -60 .. 12 dB (vocals, drums, bass, other)
vocals mute       take a stem out; unmute, solo, unsolo
dry, remix, aid   the bypass: nothing, the mix alone, mix and aid
loss on           the hearing loss of the listener; off
level -10         of everything, 0 dB is the calibrated level
record FILE       record what is played; `record` alone ends it
stop              fade out and end"""


def execute(line: str, session: Session) -> str:
    """Execute a typed command; return its result as a sentence. Raises `HearsimError` for an unknown command."""
    controls = session.control.controls
    match line.split():
        case []:
            answer = _panic(session)
        case [stem, what] if stem in STEMS:
            answer = _stem(stem, what, session)
        case [step] if step in STEPS:
            controls.set_step(step)
            answer = f"bypass: {step}"
        case ["loss", "on" | "off" as what]:
            controls.set_loss(what == "on")
            answer = f"hearing loss {what}"
        case ["level", db]:
            controls.set_level(_number(db))
            answer = f"{_number(db):g} dB of the calibrated level"
        case ["record"]:
            session.stop_recording()
            answer = "recording ended"
        case ["record", *name]:
            session.record(Path(" ".join(name)))
            answer = f"recording to {' '.join(name)}"
        case ["stop"]:
            controls.stop = 1
            answer = "fading out"
        case ["help"]:
            answer = HELP
        case _:
            raise HearsimError(f"{line.strip()!r} is not a command: `help` lists them")
    return answer


def _panic(session: Session) -> str:
    controls = session.control.controls
    controls.panic = int(not controls.panic)
    return "silence; Enter fades in again" if controls.panic else "fading in"


def _stem(stem: str, what: str, session: Session) -> str:
    controls = session.control.controls
    match what:
        case "mute" | "unmute":
            controls.set_muted(stem, what == "mute")
        case "solo" | "unsolo":
            controls.set_solo(stem, what == "solo")
        case _:
            controls.set_gain(stem, _number(what))
            return f"{stem} {_number(what):+g} dB"
    return f"{stem}: {what}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise HearsimError(f"{text!r} is not a number of dB: `help` lists the commands") from None
