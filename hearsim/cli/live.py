"""`hearsim live`: play through the aid, measure the delay through a cable, render a session again."""

import signal
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from hearsim.cli.old_forms import OldForms, is_option
from hearsim.cli.options import DEFAULT_PROFILE, ProfileOption

CABLE_S = 5.0


class _Live(OldForms):
    def rewrite(self, args: list[str]) -> list[str] | None:
        if not is_option(args):
            return None
        if "--loopback" in args:
            return ["loopback", *(arg for arg in args if arg != "--loopback")]
        return ["play", *args]


live = typer.Typer(cls=_Live, help="Play through the aid on a sound device, and measure or repeat what was played.")
Device = Annotated[
    str | None,
    typer.Option(
        help="Name or number from `hearsim devices`, `null` for no device, or a file that simulates one.",
        show_default="chosen as `hearsim devices` says",
    ),
]


@live.command()
def play(
    profile: ProfileOption = DEFAULT_PROFILE,
    file: Annotated[Path | None, typer.Option(help="Music file to play.", show_default="the built-in song")] = None,
    use_input: Annotated[bool, typer.Option("--input", help="Play the device's input instead of a file.")] = False,
    device: Device = None,
    level: Annotated[float, typer.Option(help="Level to fade in to, dB re the calibrated level.")] = -20.0,
    loss: Annotated[
        bool | None,
        typer.Option(
            "--loss/--no-loss",
            help="Include the hearing-loss simulation (adds 20 ms, 32 with a vent), which the page switches on.",
            show_default="on for files, off for --input",
        ),
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Record the output to this WAV file.")] = None,
    log: Annotated[Path | None, typer.Option(help="Log the session, for `hearsim live replay`.")] = None,
    loop: Annotated[
        bool | None,
        typer.Option(
            "--loop/--once",
            help="Repeat the song, or end after it.",
            show_default="loop for the built-in song with the mixer page",
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End after this many seconds.", show_default="never")
    ] = None,
    cable: Annotated[
        int, typer.Option(help="Delay of the device in samples, as `hearsim live loopback` measured it.", min=0)
    ] = 0,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the mixer page on this machine.")] = True,
    presets: Annotated[Path, typer.Option(help="Folder where the page saves mixes.")] = Path("mixes"),
    recordings: Annotated[Path, typer.Option(help="Folder where the page records.")] = Path(),
) -> None:
    """Play a song or the input through the aid; control it in the browser, or type `help`."""
    from hearsim.cli.live_session import converse, counts
    from hearsim.core.audio_files import open_source
    from hearsim.core.errors import HearsimError
    from hearsim.live.ledger import ledger
    from hearsim.live.page.process import PageProcess
    from hearsim.live.page.state import profile_scene
    from hearsim.live.session import Session
    from hearsim.profile.load import load_profile

    _fade_out_on_signals()
    loaded = load_profile(profile)
    if use_input and file is not None:
        raise HearsimError("--input and --file exclude each other: choose what to hear")
    with tempfile.TemporaryDirectory() as folder:
        song = None if use_input else open_source(file or _demo(Path(folder)))
        with_loss = not use_input if loss is None else loss
        typer.echo("loading the model ...")
        heard = None if use_input or file else {"demo": True}
        again = (file is None and page if loop is None else loop) and song is not None
        if page:
            profile_scene(loaded)  # compiles what the page needs before there is a sound that Enter must silence
        with Session(loaded, song, device, with_loss, level, record, log, heard, loop=again) as session:
            session.control.controls.cable = cable
            typer.echo(ledger(session.control, session.rate))
            with PageProcess(session, presets, recordings) if page else nullcontext() as mixer:
                if mixer is not None:
                    typer.echo(f"the mixer, in a browser on this machine: {mixer.link}")
                typer.echo(
                    f"fading in to {level:g} dB of the calibrated level; Enter is panic, `help` lists the controls"
                )
                converse(session, mixer, seconds)
            typer.echo(ledger(session.control, session.rate))
            summary = counts(session)
        for line in (*session.messages, *summary):
            typer.echo(line)


@live.command()
def loopback(
    profile: ProfileOption = DEFAULT_PROFILE,
    device: Device = None,
    loss: Annotated[
        bool, typer.Option("--loss/--no-loss", help="Include the hearing-loss simulation (adds 20 ms).")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0, help="Seconds to measure.")] = CABLE_S,
) -> None:
    """Measure the delay of device and aid through a cable from the output to the input."""
    from hearsim.cli.live_session import measure_loopback
    from hearsim.profile.load import load_profile

    _fade_out_on_signals()
    measure_loopback(load_profile(profile), device, loss, seconds)


@live.command()
def replay(
    log: Annotated[Path, typer.Argument(help="Log of the session, written by `hearsim live play --log`.")],
    song: Annotated[
        Path | None,
        typer.Argument(help="Song that was played, or the recording of the input.", show_default="the log's song"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for played.wav.")] = Path("out"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier played.wav.")] = False,
) -> None:
    """Render a live session again from its log, and compare the result with the session's recordings."""
    from hearsim.core.audio_files import open_source, open_wave
    from hearsim.core.errors import HearsimError
    from hearsim.core.files import folder_of
    from hearsim.live.log import read_log
    from hearsim.live.replay import Checksums
    from hearsim.live.replay import replay as replay_blocks

    session, target = read_log(log), out / "played.wav"
    if target.exists() and not force:
        raise HearsimError(f"{target} is already there: choose another --out, or give --force")
    with tempfile.TemporaryDirectory() as folder:
        source = open_source(song or _song_of(session.source, Path(folder), log))
        checks = Checksums(session)
        with folder_of(target), open_wave(target, session.rate) as file:
            for block in replay_blocks(session, source):
                file.write(block)
                checks.add(block)
    typer.echo(f"{target}: {session.end / session.rate:.1f} s, the session's output")
    for recording, equal in checks.results():
        if not equal:
            raise HearsimError(f"{target} is not what {recording.path} recorded: is it another version or machine?")
        typer.echo(f"equal to {recording.path}, sample for sample ({recording.samples} samples)")


def _song_of(source: dict[str, Any], folder: Path, log: Path) -> Path:
    from hearsim.core.errors import HearsimError

    if source.get("demo"):
        return _demo(folder)
    if "path" not in source:
        raise HearsimError(f"{log} is of a device's input: give its recording as SONG")
    return Path(source["path"])


def _demo(folder: Path) -> Path:
    from hearsim.core.audio_files import write
    from hearsim.music.demo_song import demo_song, mixture

    write(folder / "demo.wav", mixture(demo_song()))
    return folder / "demo.wav"


def _fade_out_on_signals() -> None:
    """Let SIGTERM and SIGHUP (ended from outside, the terminal closed) fade out as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
