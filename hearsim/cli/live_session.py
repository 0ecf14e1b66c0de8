"""Output of `hearsim live` while a session runs: messages, status, ledger and load; typed lines are commands."""

import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from hearsim.live.page.process import PageProcess
    from hearsim.live.session import Session
    from hearsim.profile.schema import Profile

STATUS_EVERY_S = 5.0


def converse(session: "Session", mixer: "PageProcess | None", seconds: float | None) -> None:
    """Execute typed lines and print the session's events until it ends."""
    from hearsim.core.errors import HearsimError
    from hearsim.live.commands import execute

    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    controls, playback_status, status_at = session.control.controls, session.control.playback_status, time.monotonic()
    try:
        while not session.ended:
            messages = session.poll()
            for message in (*messages, *(mixer.turn(messages) if mixer else ())):
                typer.echo(message)
            while not lines.empty():
                try:
                    typer.echo(execute(lines.get(), session))
                except HearsimError as error:
                    typer.echo(str(error))
            if seconds is not None and playback_status.position >= seconds * session.rate:
                controls.stop = 1
            if time.monotonic() - status_at > STATUS_EVERY_S:
                status_at = time.monotonic()
                typer.echo(_status(session))
            time.sleep(0.02)
    except KeyboardInterrupt:
        typer.echo("fading out")


def _read_lines(into: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        into.put(line)


def _status(session: "Session") -> str:
    from hearsim.core.units import gain_to_db

    playback_status, worker_status = session.control.playback_status, session.control.worker_status
    left, right = (f"{max(gain_to_db(peak), -99):.0f}" for peak in playback_status.array("peaks"))
    dry = f", dry {playback_status.fallbacks} times" if playback_status.fallbacks else ""
    return (
        f"{playback_status.position / session.rate:6.1f} s   left {left}, right {right} dB of full scale   "
        f"{worker_status.late_blocks} late blocks{dry}"
    )


def counts(session: "Session") -> list[str]:
    """Return sentences on load and late blocks of an open session."""
    from hearsim.live.ledger import load

    playback, worker = session.control.playback_status, session.control.worker_status
    times = load(worker.seconds(), playback.period, session.rate)
    share = playback.dry_samples / max(playback.position, 1)
    return [
        f"compute per block: p50 {times.p50_ms:.2f}, p99 {times.p99_ms:.2f}, max {times.max_ms:.2f} of "
        f"{times.deadline_ms:.2f} ms",
        f"{worker.late_blocks} late blocks of {worker.blocks}; the dry signal stepped in {playback.fallbacks} times, "
        f"for {share:.2%} of the time; {playback.xruns} xruns of the device",
    ]


def measure_loopback(profile: "Profile", device: str | None, loss: bool, seconds: float) -> None:
    """Print the delay through a cable, chirp by chirp, beside the declared and the reported one."""
    from hearsim.core.errors import HearsimError
    from hearsim.live.ledger import ledger
    from hearsim.live.loopback import chirps, flatten, measure
    from hearsim.live.session import Session

    typer.echo("loading the model ...")
    with Session(profile, None, device, loss, probe=chirps()) as session:
        for message in session.poll():
            typer.echo(message)
        typer.echo(
            "chirps play, 26 dB under full scale: connect the output to the input (with JACK: jack_disconnect "
            "system:capture_1 PortAudio:in_0; jack_connect PortAudio:out_0 PortAudio:in_0)"
        )
        flatten(session)
        arrivals = []
        for chirp in measure(session, seconds):
            arrivals.append(chirp)
            typer.echo(
                f"chirp {len(arrivals)}: device {chirp.device}, everything {chirp.total} samples "
                f"(likeness {chirp.device_peak:.3f}, {chirp.total_peak:.3f})"
                f"{'' if chirp.whole else '; damaged, so it does not count'}"
            )
        intact = [chirp for chirp in arrivals if chirp.whole]
        if not intact:
            raise HearsimError("every chirp came back damaged: use a cable, not the air, and a longer period")
        device_only = intact[0].device - session.control.playback_status.resampling
        session.control.controls.cable = device_only
        declared = ledger(session.control, session.rate)
        typer.echo(declared)
        reported, measured = session.control.playback_status.reported_ms, 1e3 * device_only / session.rate
        reported_text = f"the device reports {reported:.2f} ms; measured {measured:.2f} ms"
        typer.echo(f"{reported_text}, which `hearsim live play --cable {device_only}` shows")
        totals, total = sorted({chirp.total for chirp in intact}), declared.total_samples
        same = "the ledger's sum" if totals == [total] else f"not the ledger's {total}"
        typer.echo(f"measured in all: {' or '.join(map(str, totals))} samples, {same}")
        for line in counts(session):
            typer.echo(line)
