"""`hearsim show` and `hearsim latency`: what a profile is made of, and how late it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from hearsim.cli.options import DEFAULT_PROFILE, ProfileArgument
from hearsim.cli.output import print_tables

if TYPE_CHECKING:
    from hearsim.core.audio import Format


def show(profile: Annotated[str, typer.Argument(help="A profile's name or path.", show_default=False)] = "") -> None:
    """Print a profile's signal path, latency ledger and fitting; without a name, list the profiles."""
    from hearsim.profile.load import load_profile, profile_names

    if not profile:
        typer.echo("\n".join(profile_names()))
        return
    loaded = load_profile(profile)  # before the heavy imports: a misspelt name is refused at once
    from hearsim.aid.hearing_aid import hearing_aid
    from hearsim.cli.tables import fitting
    from hearsim.core.processor import describe

    typer.echo(describe(hearing_aid(loaded), format_of(loaded.block_samples)))
    print_tables(fitting(loaded))


def latency(profile: ProfileArgument = DEFAULT_PROFILE) -> None:
    """Print the declared and the measured latency, the compute load, and the comb filter of the vent."""
    from hearsim.aid.hearing_aid import hearing_aid
    from hearsim.bench.blocks import time_blocks
    from hearsim.core.latency import load_of, measure, measured_budget, verdicts
    from hearsim.ear.vent import vent_comb
    from hearsim.profile.load import load_profile

    loaded = load_profile(profile)
    aid, fmt = hearing_aid(loaded), format_of(loaded.block_samples)
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


def format_of(block: int) -> "Format":
    """Return the stream format of an aid with blocks of `block` samples."""
    from hearsim.core.audio import Format
    from hearsim.core.audio_files import AID_RATE_HZ

    return Format(AID_RATE_HZ, 2, block)
