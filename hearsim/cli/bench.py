"""`hearsim bench`: the speed of blocks, networks and training."""

from pathlib import Path
from typing import Annotated

import typer

from hearsim.cli.old_forms import OldForms, is_option
from hearsim.cli.options import DEFAULT_PROFILE, Json, ProfileOption
from hearsim.cli.output import check_table, print_json


class _Bench(OldForms):
    def rewrite(self, args: list[str]) -> list[str] | None:
        if not is_option(args):
            return None
        for flag, command in (("--training", "training"), ("--systems", "networks")):
            if flag in args:
                return [command, *(arg for arg in args if arg not in ("--training", "--systems"))]
        return ["blocks", *args]


bench = typer.Typer(cls=_Bench, help="Measure the speed of blocks, of separation networks, and of their training.")
Seconds = Annotated[float, typer.Option(help="Seconds of sound to time with.")]


@bench.command()
def blocks(profile: ProfileOption = DEFAULT_PROFILE, seconds: Seconds = 10.0, as_json: Json = False) -> None:
    """Time the separator, the aid and the whole chain per block, on one thread."""
    from hearsim.bench.blocks import bench as run_bench

    benches = run_bench(profile, seconds)
    if as_json:
        print_json([{**one._asdict(), "load": one.load.to_json()} for one in benches])
        return
    for one in benches:
        typer.echo(one)


@bench.command()
def networks(
    seconds: Seconds = 10.0,
    table: Annotated[Path | None, typer.Option(help="Also write the table to this CSV file.")] = None,
    as_json: Json = False,
) -> None:
    """Compare all separation networks: multiply-adds, bytes and time per hop, on one thread and on two."""
    from hearsim.bench.networks import bench_systems, lines, records, write_table

    check_table(table)
    benches = bench_systems(seconds, say=lambda line: typer.echo(line, err=True))
    if as_json:
        print_json(records(benches))
    else:
        typer.echo("\n".join(lines(benches)))
    if table is not None:
        write_table(table, benches)


@bench.command()
def training(as_json: Json = False) -> None:
    """Time the training of the small networks: seconds of audio trained on per second."""
    from hearsim.bench.training import throughput

    if as_json:
        if speeds := [one._asdict() for one in throughput()]:  # of several processes, one prints
            print_json(speeds)
        return
    for one in throughput():
        typer.echo(one)
