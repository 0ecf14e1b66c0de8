"""`hearsim render`: a song through the aid, into files and a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hearsim.cli.exits import ExitCode
from hearsim.cli.old_forms import note_new_form
from hearsim.cli.options import DEFAULT_PROFILE, Json, ProfileOption
from hearsim.cli.output import console, print_json, print_tables

if TYPE_CHECKING:
    from hearsim.profile.schema import Profile


def render(
    context: typer.Context,
    songs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SONG]...", help="Music files, or a folder of them.", show_default="the built-in song"),
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    out: Annotated[Path, typer.Option(help="Folder for the outputs; several songs get one each in it.")] = Path("out"),
    stems: Annotated[Path | None, typer.Option(help="Folder with the true stems, for the metrics.")] = None,
    save_stems: Annotated[bool, typer.Option("--save-stems", help="Also write the separated stems.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier run in the output folder.")] = False,
    as_json: Json = False,
    replay: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run a song through the aid: audio files, metrics, latency ledger and a report."""
    if replay is not None:
        from hearsim.cli.live import replay as replay_session

        note_new_form(context.command_path, ["--replay", str(replay)], f"hearsim live replay {replay}")
        replay_session(replay, songs[0] if songs else None, out, force)
        return
    from hearsim.cli.tables import latency, metrics, render_bar
    from hearsim.profile.load import load_profile
    from hearsim.report.run import render_song

    loaded = load_profile(profile)
    if songs and (len(songs) > 1 or songs[0].is_dir()):
        _render_several(songs, loaded, out, stems, save_stems, force, as_json)
        return
    song = songs[0] if songs else None
    with render_bar(console(stderr=as_json)) as show:
        report = render_song(song, loaded, out, stems, save_stems, force, show)
    if as_json:
        print_json(report)
        return
    typer.echo(latency(report["latency"]))
    print_tables(metrics(report["metrics"]))
    typer.echo(f"report: {out / 'report.html'}")


def _render_several(
    paths: list[Path], profile: "Profile", out: Path, stems: Path | None, save_stems: bool, force: bool, as_json: bool
) -> None:
    """Render each song into a folder of its own: a line for each, a table at the end; code 1 where one failed."""
    from hearsim.cli.tables import render_bar, renders
    from hearsim.core.errors import HearsimError
    from hearsim.report.batch import render_songs, songs_of

    songs = songs_of(paths)
    reports, failed = {}, []
    screen = console(stderr=as_json)
    with render_bar(screen) as show:
        for name, result in render_songs(songs, profile, out, stems, save_stems, force, show):
            if isinstance(result, HearsimError):
                failed.append({"song": str(songs[name]), "error": str(result)})
                typer.echo(f"hearsim: {result}", err=True)
            else:
                reports[name] = result
                screen.print(f"{songs[name]}: {out / name / 'report.html'}", soft_wrap=True)
    if as_json:
        print_json({"reports": reports, "failed": failed})
    else:
        print_tables(renders(reports))
    if failed:
        raise typer.Exit(ExitCode.FAILED)
