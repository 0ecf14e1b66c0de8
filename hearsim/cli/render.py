"""`hearsim render`: a song through the aid, into files and a report."""

from pathlib import Path
from typing import Annotated

import typer

from hearsim.cli.old_forms import note_new_form
from hearsim.cli.options import DEFAULT_PROFILE, Json, ProfileOption
from hearsim.cli.output import console, print_json, print_tables


def render(
    context: typer.Context,
    song: Annotated[Path | None, typer.Argument(help="Music file.", show_default="the built-in song")] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    out: Annotated[Path, typer.Option(help="Folder for the outputs.")] = Path("out"),
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
        replay_session(replay, song, out, force)
        return
    from hearsim.cli.tables import ledger, metrics, render_bar
    from hearsim.profile.load import load_profile
    from hearsim.report.run import render_song

    loaded = load_profile(profile)
    with render_bar(console(stderr=as_json)) as show:
        report = render_song(song, loaded, out, stems, save_stems, force, show)
    if as_json:
        print_json(report)
        return
    print_tables(ledger(report["latency"]), metrics(report["metrics"]))
    typer.echo(f"report: {out / 'report.html'}")
