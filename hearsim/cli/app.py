"""The commands. Each does its imports when it runs, so `hearsim --help` is quick."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hearsim.cli import live
from hearsim.cli.experiment import experiment
from hearsim.cli.export import export
from hearsim.core.errors import HearsimError

app = typer.Typer(
    help="A hearing-aid simulation toolkit with real-time music separation inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(export, name="export")
app.add_typer(experiment, name="experiment")
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
    from rich.console import Console

    from hearsim.cli.tables import ledger, metrics, render_bar
    from hearsim.profile.load import load_profile
    from hearsim.report.run import render_song

    loaded = load_profile(profile)
    with render_bar(Console()) as show:
        report = render_song(song, loaded, out, stems, save_stems, force, show)
    _print(ledger(report["latency"]), metrics(report["metrics"]))
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def show(profile: Annotated[str, typer.Argument(help="A profile's name or path.")] = "") -> None:
    """Print a profile's signal path, ledger and fitting; without a name, list the profiles."""
    from hearsim.profile.load import load_profile, profile_names

    if not profile:
        typer.echo("\n".join(profile_names()))
        return
    loaded = load_profile(profile)  # before the heavy imports: a typing error is told at once
    from hearsim.aid.hearing_aid import hearing_aid
    from hearsim.cli.tables import fitting
    from hearsim.core.processor import describe

    typer.echo(describe(hearing_aid(loaded), _format(loaded.block_samples)))
    _print(fitting(loaded))


@app.command()
def latency(
    profile: Annotated[str, typer.Argument(help="A profile's name or path.")] = DEFAULT_PROFILE,
) -> None:
    """Print the declared and the measured latency, the compute load, and the comb of the vent."""
    from hearsim.aid.hearing_aid import hearing_aid
    from hearsim.bench.blocks import time_blocks
    from hearsim.core.latency import load_of, measure, measured_budget, verdicts
    from hearsim.ear.vent import vent_comb
    from hearsim.profile.load import load_profile

    loaded = load_profile(profile)
    aid, fmt = hearing_aid(loaded), _format(loaded.block_samples)
    total = measured_budget(aid, fmt)
    typer.echo(f"{aid.name}: {fmt}\n{total}")
    typer.echo(
        f"measured with an impulse and a chirp: {measure(aid, fmt)} samples live (declared {total.total_samples})"
    )
    aid.prepare(fmt)
    load = load_of(time_blocks(aid, fmt, 5 * fmt.rate // fmt.block), fmt)
    typer.echo(f"compute per block: {load}; load (p99 / deadline) {100 * load.load_p99:.0f} %")
    for verdict in verdicts(total.total_ms):
        typer.echo(f"{verdict.scenario}: {'suits' if verdict.ok else 'too late'}; {verdict.sentence}")
    if loaded.aid.vent is not None:
        comb = vent_comb(total.total_ms, 10.0)
        typer.echo(
            f"through the vent: notches every {comb['spacing_hz']:.0f} Hz, the first at {comb['first_notch_hz']:.0f}; "
            f"{comb['ripple_db']:.1f} dB of ripple where the aid is 10 dB over the direct sound"
        )


@app.command()
def models(
    pack: Annotated[
        list[Path] | None,
        typer.Option(help="A training run (or a file of its weights) to make a model of; of several, their mean."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The model's folder, named as the model.")] = None,
    summary: Annotated[str, typer.Option(help="What the list says of it, in a line.")] = "",
    float16: Annotated[bool, typer.Option(help="Store half the bytes.")] = False,
    system: Annotated[str, typer.Option(help="The system (see `bench --systems`), for weights that name none.")] = "",
) -> None:
    """List the shipped models; with --pack, make a model folder of a training run, or of several."""
    from hearsim.core.files import find_model, model_names
    from hearsim.separation.models import read_info

    if not pack:
        if out is not None:
            raise HearsimError("--out needs --pack: the training run to make a model of")
        for name in model_names():
            info = read_info(find_model(name))
            typer.echo(f"{name}: {info.parameters / 1e6:.2f} M parameters, {info.weights}. {info.summary}")
        return
    from hearsim.separation.models import pack as make
    from hearsim.separation.registry import system as config_of

    if out is None:
        raise HearsimError("--pack needs --out: the folder of the new model")
    info = make(pack, out, summary, "float16" if float16 else "float32", config_of(system) if system else None)
    megabytes = (out / "model.safetensors").stat().st_size / 1e6
    typer.echo(f"{out}: {info.name}, {info.parameters / 1e6:.2f} M parameters, {megabytes:.1f} MB; write its card.md")


@app.command()
def train(
    spec: Annotated[Path, typer.Argument(help="A training spec (TOML); with --variants, a file of variants of one.")],
    run: Annotated[Path, typer.Option(help="Folder of the run: log, checkpoint, averaged weights.")] = Path(
        "runs/train"
    ),
    resume: Annotated[bool, typer.Option(help="Go on where the run's checkpoint stands.")] = False,
    start_from: Annotated[Path | None, typer.Option(help="Averaged weights of an earlier run to start from.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Also log for TensorBoard, into the run folder.")] = False,
    variants: Annotated[
        bool, typer.Option(help="Train and score variants of a spec, side by side. An interrupted comparison goes on.")
    ] = False,
    table: Annotated[Path | None, typer.Option(help="With --variants: write this CSV too.")] = None,
) -> None:
    """Train a separator; under torchrun, by several processes."""
    if variants:
        if resume or start_from or tensorboard:
            raise HearsimError("--variants starts and resumes its runs itself: give --run and --table alone with it")
        _compare(spec, run, table)
        return
    from hearsim.training.loop import train as run_training
    from hearsim.training.spec import read_spec

    typer.echo(f"averaged weights: {run_training(read_spec(spec), run, resume, start_from, tensorboard)}")


def _compare(spec: Path, run: Path, table: Path | None) -> None:
    from hearsim.training.comparison import Variants, lines, run_variants, write_table

    finished = []
    for found in run_variants(Variants(spec), run):
        finished.append(found)
        if table is not None:
            write_table(table, finished)
    typer.echo("\n".join(lines(finished)))


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    data: Annotated[Path, typer.Argument(help="A folder of tracks with four stems each.")],
    tracks: Annotated[list[str] | None, typer.Option(help="Patterns of track names; all without it.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for scores and plot, out/evaluate-MODEL without it. An interrupted run goes on."),
    ] = None,
) -> None:
    """Score a model on whole tracks, beside the mixture and the ideal ratio mask."""
    from rich.progress import Progress

    from hearsim.cli.tables import evaluation as tables_of
    from hearsim.training.evaluate import evaluate as run_evaluation
    from hearsim.training.evaluation_tables import Scores, describe_track, write_plot, write_scores, write_summary

    out = out or Path("out") / f"evaluate-{Path(model).name}"
    cache = Path("~/.cache/hearsim").expanduser()
    found: Scores = {}
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("reading", total=1.0)

        def progress(name: str, share: float) -> None:
            bar.update(task, description=name if share < 1 else f"{name}: scoring", completed=share)

        for name, rows in run_evaluation(model, data, cache, tuple(tracks or ["*"]), out, progress):
            if rows:
                found[name] = rows
                write_scores(out / "scores.csv", found)
            bar.console.print(describe_track(name, rows), highlight=False, soft_wrap=True)
    write_summary(out / "summary.csv", found)
    write_plot(out / "scores.svg", found)
    _print(*tables_of(found))
    typer.echo(f"in {out}: scores.csv (every track), summary.csv (these tables, and ISR, SIR and SAR), scores.svg")


@app.command()
def score(
    reference: Annotated[Path, typer.Argument(help="What it should sound like: a music or speech file.")],
    processed: Annotated[Path, typer.Argument(help="What has become of it: as long, at the same rate, aligned.")],
    profile: Annotated[
        str | None, typer.Option(help="Levels in dB SPL too: REFERENCE at its microphone, PROCESSED at its headphones.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a file against another: STOI, SDR, loudness, levels."""
    import json

    from hearsim.cli.tables import score as tables_of
    from hearsim.profile.load import load_profile
    from hearsim.report.score import score as score_files

    found = score_files(reference, processed, load_profile(profile) if profile else None)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(*tables_of(found))


@app.command()
def bench(
    profile: ProfileName = DEFAULT_PROFILE,
    seconds: Annotated[float, typer.Option(help="Seconds of sound to time with.")] = 10.0,
    systems: Annotated[bool, typer.Option(help="All separation networks instead, on one thread and on two.")] = False,
    table: Annotated[Path | None, typer.Option(help="With --systems: write this CSV too.")] = None,
    training: Annotated[bool, typer.Option(help="How fast the lite systems are trained instead.")] = False,
) -> None:
    """Time the separator, the aid and the whole chain on one thread; or compare networks, or time their training."""
    if training:
        from hearsim.bench.training import throughput

        for line in throughput():
            typer.echo(line)
        return
    if systems:
        from hearsim.bench.networks import bench_systems, lines, write_table

        found = bench_systems(seconds, say=lambda line: typer.echo(line, err=True))
        typer.echo("\n".join(lines(found)))
        if table is not None:
            write_table(table, found)
        return
    from hearsim.bench.blocks import bench as run_bench

    for line in run_bench(profile, seconds):
        typer.echo(line)


app.command()(live.live)
app.command()(live.devices)


def _format(block: int) -> Any:
    from hearsim.core.audio import Format
    from hearsim.core.audio_files import AID_RATE_HZ

    return Format(AID_RATE_HZ, 2, block)


def _print(*tables: Any) -> None:
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
