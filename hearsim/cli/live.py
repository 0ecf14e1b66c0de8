"""`hearsim live`, `hearsim devices`, and rendering a live session again."""

import queue
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hearsim.core.latency import Budget
    from hearsim.live.page.process import Page
    from hearsim.live.session import Session
    from hearsim.profile.schema import Profile


DEFAULT_PROFILE = "moderate-vocals-up"
STATUS_EVERY_S = 5.0
CABLE_S = 5.0


def live(
    profile: Annotated[str, typer.Option(help="A profile's name (see `hearsim show`) or a path.")] = DEFAULT_PROFILE,
    file: Annotated[Path | None, typer.Option(help="A music file to play; without it the built-in song.")] = None,
    use_input: Annotated[bool, typer.Option("--input", help="Hear the device's input instead of a file.")] = False,
    device: Annotated[
        str | None,
        typer.Option(help="Name or number (see `hearsim devices`), `null` for none, or a file that stands for one."),
    ] = None,
    level: Annotated[float, typer.Option(help="Level to fade in to, dB; 0 is the calibrated level.")] = -20.0,
    loss: Annotated[
        bool | None,
        typer.Option("--loss/--no-loss", help="Have the hearing loss at hand, 20 ms later; default: with a file."),
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Record what is played (WAV).")] = None,
    log: Annotated[Path | None, typer.Option(help="Log the session, for `hearsim render --replay`.")] = None,
    loop: Annotated[
        bool | None,
        typer.Option(
            "--loop/--once", help="Play the song again and again; default: the built-in one, beside the page."
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="End after so many seconds.")] = None,
    loopback: Annotated[bool, typer.Option(help="Measure the delay through a cable from output to input.")] = False,
    cable: Annotated[int, typer.Option(help="The device's delay in samples, as --loopback measured it.", min=0)] = 0,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the mixer page on this machine.")] = True,
    presets: Annotated[Path, typer.Option(help="Folder where the page saves mixes.")] = Path("mixes"),
    recordings: Annotated[Path, typer.Option(help="Folder where the page records.")] = Path(),
) -> None:
    """Play a song or the input through the aid, live; move it in the browser, or type `help` for the controls."""
    import signal

    from hearsim.core.audio_files import open_source
    from hearsim.core.errors import HearsimError
    from hearsim.live.ledger import ledger
    from hearsim.live.page.process import Page
    from hearsim.live.session import Session
    from hearsim.profile.load import load_profile

    for name in ("SIGTERM", "SIGHUP"):  # ended from outside, or its terminal is gone: as with Ctrl-C, fade out
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    loaded = load_profile(profile)
    if use_input and file is not None:
        raise HearsimError("--input and --file exclude each other: choose what to hear")
    if loopback:
        if use_input or file is not None or record is not None or log is not None:
            raise HearsimError("--loopback plays chirps of its own: leave --input, --file, --record and --log out")
        _measure(loaded, device, bool(loss), seconds or CABLE_S)
        return
    with tempfile.TemporaryDirectory() as folder:
        song = None if use_input else open_source(file or _demo(Path(folder)))
        with_loss = not use_input if loss is None else loss
        typer.echo("loading the model ...")
        heard = None if use_input or file else {"demo": True}
        again = (file is None and page if loop is None else loop) and song is not None
        with Session(loaded, song, device, with_loss, level, record, log, heard, loop=again) as session:
            session.control.wanted.cable = cable
            _print_ledger(ledger(session.control, session.rate))
            with Page(session, presets, recordings) if page else nullcontext() as mixer:
                if mixer is not None:
                    typer.echo(f"the mixer, in a browser on this machine: {mixer.link}")
                typer.echo(
                    f"fading in to {level:g} dB of the calibrated level; Enter is panic, `help` lists the controls"
                )
                _converse(session, mixer, seconds)
            _print_ledger(ledger(session.control, session.rate))
            counts = _counts(session)
        for line in (*session.messages, *counts):
            typer.echo(line)


def devices() -> None:
    """List the sound devices, and which one `hearsim live` would choose, and why."""
    from rich.console import Console
    from rich.table import Table

    from hearsim.core.audio_files import AID_RATE_HZ
    from hearsim.live.portaudio import Choice, choose, listed

    table = Table("number", title="Sound devices", title_justify="left")
    for column in ("name", "host API"):
        table.add_column(column, overflow="fold")
    for column in ("in", "out", "rate Hz", f"{AID_RATE_HZ} Hz", "in ms", "out ms"):
        table.add_column(column, justify="right")
    for found in listed():
        latencies = (f"{found.input_ms:.1f}", f"{found.output_ms:.1f}")
        opens = "no output" if not found.outputs else "no" if Choice(found, None, "").refusal(AID_RATE_HZ) else "yes"
        counts = (str(found.inputs), str(found.outputs), f"{found.rate_hz:g}", opens)
        table.add_row(str(found.index), found.name, found.api, *counts, *latencies)
    Console().print(table)
    typer.echo(
        f"latencies as the drivers report them; `hearsim live --loopback` measures. A device that does not open at "
        f"{AID_RATE_HZ} Hz is opened at its own rate, and the sound resampled"
    )
    choice = choose(None, wants_input=False, rate=AID_RATE_HZ)
    typer.echo(f"chosen: {choice.output.index} {choice.label}, since {choice.why}")


def replayed(song: Path | None, log: Path, out: Path, force: bool) -> None:
    """Render a live session again into `out`/played.wav, and say whether it equals its recordings.

    Raises `HearsimError` for bad input, and where it does not.
    """
    from hearsim.core.audio_files import open_source, open_wave
    from hearsim.core.errors import HearsimError
    from hearsim.live.log import read_log
    from hearsim.live.replay import Checksums, replay

    session, target = read_log(log), out / "played.wav"
    if target.exists() and not force:
        raise HearsimError(f"{target} is already there: choose another --out, or give --force")
    with tempfile.TemporaryDirectory() as folder:
        source = open_source(song or _song_of(session.source, Path(folder), log))
        checks = Checksums(session)
        out.mkdir(parents=True, exist_ok=True)
        with open_wave(target, session.rate) as file:
            for block in replay(session, source):
                file.write(block)
                checks.add(block)
    typer.echo(f"{target}: {session.end / session.rate:.1f} s, what was played live")
    for recording, equal in checks.results():
        if not equal:
            raise HearsimError(f"{target} is not what {recording.path} recorded: is it another version or machine?")
        typer.echo(f"equal to {recording.path}, sample for sample ({recording.samples} samples)")


def _song_of(source: dict[str, Any], folder: Path, log: Path) -> Path:
    from hearsim.core.errors import HearsimError

    if source.get("demo"):
        return _demo(folder)
    if "path" not in source:
        raise HearsimError(f"{log} heard a device: give the recording of its input as SONG")
    return Path(source["path"])


def _demo(folder: Path) -> Path:
    from hearsim.core.audio_files import write
    from hearsim.music.demo_song import demo_song, mixture

    write(folder / "demo.wav", mixture(demo_song()))
    return folder / "demo.wav"


def _converse(session: "Session", mixer: "Page | None", seconds: float | None) -> None:
    """Obey typed lines and say what happens until the session ends."""
    from hearsim.core.errors import HearsimError
    from hearsim.live.commands import obey

    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    wanted, playing, said_at = session.control.wanted, session.control.playing, time.monotonic()
    try:
        while not session.ended:
            said = session.poll()
            for message in (*said, *(mixer.turn(said) if mixer else ())):
                typer.echo(message)
            while not lines.empty():
                try:
                    typer.echo(obey(lines.get(), session))
                except HearsimError as error:
                    typer.echo(str(error))
            if seconds is not None and playing.position >= seconds * session.rate:
                wanted.stop = 1
            if time.monotonic() - said_at > STATUS_EVERY_S:
                said_at = time.monotonic()
                typer.echo(_status(session))
            time.sleep(0.02)
    except KeyboardInterrupt:
        typer.echo("fading out")


def _read_lines(into: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        into.put(line)


def _status(session: "Session") -> str:
    from hearsim.core.units import gain_to_db

    playing, working = session.control.playing, session.control.working
    left, right = (f"{max(gain_to_db(peak), -99):.0f}" for peak in playing.array("peaks"))
    dry = f", dry {playing.fallbacks} times" if playing.fallbacks else ""
    return (
        f"{playing.position / session.rate:6.1f} s   left {left}, right {right} dB of full scale   "
        f"{working.late_blocks} late blocks{dry}"
    )


def _counts(session: "Session") -> list[str]:
    """Return load and lateness of a session, which is still open, in sentences."""
    from hearsim.live.ledger import load

    playing, working = session.control.playing, session.control.working
    times = load(working.seconds(), playing.period, session.rate)
    return [
        f"compute per block: p50 {times.p50_ms:.2f}, p99 {times.p99_ms:.2f}, max {times.max_ms:.2f} of "
        f"{times.deadline_ms:.2f} ms",
        f"{working.late_blocks} late blocks of {working.blocks}; the dry signal stepped in {playing.fallbacks} times, "
        f"for {playing.dry_samples / max(playing.position, 1):.2%} of the time; {playing.xruns} xruns of the device",
    ]


def _print_ledger(budget: "Budget") -> None:
    from rich.console import Console
    from rich.table import Table

    from hearsim.core.units import samples_to_ms

    table = Table("part", "kind", "source", title="Latency, input to ear", title_justify="left")
    table.add_column("samples", justify="right")
    table.add_column("ms", justify="right")
    for part in budget.parts:
        cells = (str(part.samples), f"{samples_to_ms(part.samples, budget.rate):.2f}")
        table.add_row(part.name, part.kind, part.source, *cells)
    table.add_section()
    table.add_row("sum", "", "", str(budget.total_samples), f"{budget.total_ms:.2f}")
    Console().print(table)


def _measure(profile: "Profile", device: str | None, loss: bool, seconds: float) -> None:
    """Print the delay through a cable, chirp by chirp, beside what is declared and reported."""
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
        found = []
        for chirp in measure(session, seconds):
            found.append(chirp)
            typer.echo(
                f"chirp {len(found)}: device {chirp.device}, everything {chirp.total} samples "
                f"(likeness {chirp.device_peak:.3f}, {chirp.total_peak:.3f})"
                f"{'' if chirp.whole else '; damaged, so it does not count'}"
            )
        whole = [chirp for chirp in found if chirp.whole]
        if not whole:
            raise HearsimError("every chirp came back damaged: use a cable, not the air, and a longer period")
        device_only = whole[0].device - session.control.playing.resampling
        session.control.wanted.cable = device_only
        declared = ledger(session.control, session.rate)
        _print_ledger(declared)
        reported, measured = session.control.playing.reported_ms, 1e3 * device_only / session.rate
        told = f"the device reports {reported:.2f} ms; measured {measured:.2f} ms"
        typer.echo(f"{told}, which `hearsim live --cable {device_only}` shows")
        totals, total = sorted({chirp.total for chirp in whole}), declared.total_samples
        same = "the ledger's sum" if totals == [total] else f"not the ledger's {total}"
        typer.echo(f"measured in all: {' or '.join(map(str, totals))} samples, {same}")
        for line in _counts(session):
            typer.echo(line)
