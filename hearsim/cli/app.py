"""The commands. Each does its imports when it runs, so `hearsim --help` is quick."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hearsim.cli import live

app = typer.Typer(
    help="A hearing-aid simulation toolkit with real-time music separation inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ProfileName = Annotated[str, typer.Option(help="A profile's name (see `hearsim show`) or a path to its TOML.")]
Output = Annotated[Path, typer.Option(help="Folder for the outputs.")]
DEFAULT_PROFILE = "moderate-vocals-up"


@app.command()
def render(
    song: Annotated[Path | None, typer.Argument(help="A music file; without it the built-in song.")] = None,
    profile: ProfileName = DEFAULT_PROFILE,
    out: Output = Path("out"),
    stems: Annotated[Path | None, typer.Option(help="Folder with the true stems, for the metrics.")] = None,
    save_stems: Annotated[bool, typer.Option(help="Keep the separated stems.")] = False,
    force: Annotated[bool, typer.Option(help="Replace an earlier run in the output folder.")] = False,
    replay: Annotated[Path | None, typer.Option(help="Render what a live session played, from its log.")] = None,
) -> None:
    """Run a song through the aid: audio, metrics and the latency ledger."""
    if replay is not None:
        live.replayed(song, replay, out, force)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from hearsim.audio_files import open_source
    from hearsim.cli.tables import ledger, metrics
    from hearsim.profile import load_profile
    from hearsim.report.run import render_song

    loaded = load_profile(profile)
    seconds = 20.0 if song is None else open_source(song).file_frames / open_source(song).file_rate
    columns = (
        TextColumn("rendering"),
        BarColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("render", total=1.0, speed="")

        def show(share: float) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            speed = f"{share * seconds / elapsed:.1f} x real time" if elapsed > 0 else ""
            bar.update(task, completed=share, speed=speed)

        report = render_song(song, loaded, out, stems, save_stems, force, show)
    _print(ledger(report["latency"]), metrics(report["metrics"]))
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def show(profile: Annotated[str, typer.Argument(help="A profile's name or path.")] = "") -> None:
    """Print a profile's signal path, ledger and fitting; without a name, list the profiles."""
    from hearsim.cli.tables import fitting
    from hearsim.hearing_aid import hearing_aid
    from hearsim.processor import describe
    from hearsim.profile import load_profile, profile_names

    if not profile:
        typer.echo("\n".join(profile_names()))
        return
    loaded = load_profile(profile)
    typer.echo(describe(hearing_aid(loaded), _format(loaded.aid.block_samples)))
    _print(fitting(loaded))


@app.command()
def latency(
    profile: Annotated[str, typer.Argument(help="A profile's name or path.")] = DEFAULT_PROFILE,
) -> None:
    """Print the declared and the measured latency, and the comb of the vent."""
    from hearsim.hearing_aid import hearing_aid
    from hearsim.latency import budget, measure, vent_comb, verdicts
    from hearsim.processor import describe
    from hearsim.profile import load_profile

    loaded = load_profile(profile)
    aid, fmt = hearing_aid(loaded), _format(loaded.aid.block_samples)
    typer.echo(describe(aid, fmt))
    total = budget(aid, fmt)
    typer.echo(
        f"measured with an impulse and a chirp: {measure(aid, fmt)} samples live (declared {total.total_samples})"
    )
    for verdict in verdicts(total.total_ms):
        typer.echo(f"{verdict.scenario}: {'suits' if verdict.ok else 'too late'}; {verdict.sentence}")
    if loaded.aid.vent is not None:
        comb = vent_comb(total.total_ms, 10.0)
        typer.echo(
            f"through the vent: notches every {comb['spacing_hz']:.0f} Hz, the first at {comb['first_notch_hz']:.0f}; "
            f"{comb['ripple_db']:.1f} dB of ripple where the aid is 10 dB over the direct sound"
        )


@app.command()
def models() -> None:
    """List the shipped models."""
    from hearsim.separation.model import find_model, model_names, read_info

    for name in model_names():
        info = read_info(find_model(name))
        typer.echo(f"{name}: {info.parameters / 1e6:.2f} M parameters. {info.summary}")


@app.command()
def train(
    spec: Annotated[Path, typer.Argument(help="A training spec (TOML).")],
    run: Annotated[Path, typer.Option(help="Folder of the run: log, checkpoint, averaged weights.")] = Path(
        "runs/train"
    ),
    resume: Annotated[bool, typer.Option(help="Go on where the run's checkpoint stands.")] = False,
    start_from: Annotated[Path | None, typer.Option(help="Averaged weights of an earlier run to start from.")] = None,
) -> None:
    """Train a separator."""
    from hearsim.training.loop import train as run_training
    from hearsim.training.spec import read_spec

    typer.echo(f"averaged weights: {run_training(read_spec(spec), run, resume, start_from)}")


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    data: Annotated[Path, typer.Argument(help="A folder of tracks with four stems each.")],
    tracks: Annotated[list[str] | None, typer.Option(help="Patterns of track names; all without it.")] = None,
    table: Annotated[Path | None, typer.Option(help="Write every score to this CSV.")] = None,
) -> None:
    """Score a model on whole tracks, beside the mixture and the ideal ratio mask."""
    from hearsim.training.evaluate import evaluate as run_evaluation

    cache = Path("~/.cache/hearsim/stems").expanduser()
    for line in run_evaluation(model, data, cache, tuple(tracks or ["*"]), table):
        typer.echo(line)


@app.command()
def bench(profile: ProfileName = DEFAULT_PROFILE, seconds: float = 10.0) -> None:
    """Time the separator, the aid and the whole chain on one thread."""
    from hearsim.report.bench import bench as run_bench

    for line in run_bench(profile, seconds):
        typer.echo(line)


app.command()(live.live)
app.command()(live.devices)


def _format(block: int) -> Any:
    from hearsim.audio import Format
    from hearsim.audio_files import AID_RATE_HZ

    return Format(AID_RATE_HZ, 2, block)


def _print(*tables: Any) -> None:
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
