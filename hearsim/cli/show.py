"""`hearsim show`, `hearsim metrics` and `hearsim latency`: profiles, shipped files, and the delay of an aid."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hearsim.cli import completion
from hearsim.cli.catalogue import LISTS, entries, lines
from hearsim.cli.options import DEFAULT_PROFILE, Json, ProfileArgument
from hearsim.cli.output import print_json, print_tables

if TYPE_CHECKING:
    from hearsim.core.audio import Format
    from hearsim.profile.schema import Profile


def show(
    name: Annotated[
        str,
        typer.Argument(
            help=f"Profile: a name or the path of a TOML file. Or a list: {', '.join(LISTS)}; or an entry of one.",
            show_default="profiles",
            autocompletion=completion.shown,
        ),
    ] = "profiles",
    as_json: Json = False,
) -> None:
    """Print a profile's signal path, latency ledger and fitting, a list of shipped files, or an entry of a list."""
    if name in LISTS:
        title, rows = LISTS[name]
        print_list(title, rows(), as_json)
        return
    from hearsim.core.errors import HearsimError
    from hearsim.core.validation import nearest
    from hearsim.profile.load import load_profile, profile_names

    if name not in profile_names() and not Path(name).is_file():
        catalogue = entries()
        if entries_of_name := [one for one in catalogue if one[1]["name"] == name]:
            print_entries(entries_of_name, as_json)
            return
        if near := nearest(name, list(dict.fromkeys([*LISTS, *(row["name"] for _, row in catalogue)]))):
            raise HearsimError(f"no profile is called {name!r}, no list and no entry of one: {near}")
    loaded = load_profile(name)  # before the heavy imports: a misspelt name is refused at once
    from hearsim.aid.hearing_aid import hearing_aid
    from hearsim.cli.tables import eardrum, fitting
    from hearsim.core.processor import describe, latency_ledger
    from hearsim.report.report_json import fitting as fitting_of

    gains = fitting_of(loaded)
    aid, fmt = hearing_aid(loaded), format_of(loaded.block_samples)
    if as_json:
        ledger = latency_ledger(aid, fmt).to_json()
        print_json({"profile": loaded.model_dump(mode="json"), "latency": ledger, "fitting": gains})
        return
    typer.echo(f"{summary(loaded)}\n{describe(aid, fmt)}")
    print_tables(fitting(gains), *eardrum(gains))
    if stages := loaded.aid.stages:
        typer.echo(f"not in these gains: the aid's own stages, which come after ({', '.join(stages)})")
    others = [one for one in entries() if one[1]["name"] == name and one[0] != "profiles"]
    if others:  # a mix can have the name of a profile
        typer.echo()
        print_entries(others, as_json)


def summary(profile: "Profile") -> str:
    """Return the parts of a profile in one sentence."""
    gains = profile.mix.gains_db.model_dump()
    moved = ", ".join(f"{stem} {'muted' if db == 'mute' else f'{db:+.1f} dB'}" for stem, db in gains.items() if db)
    compression = profile.aid.compression
    kind = f"ratio {compression.ratio:g}" if compression else "linear"
    return (
        f"listener {profile.listener.name}; mix {profile.mix.name} ({moved or 'all stems as they are'}); aid "
        f"{profile.aid.name} ({profile.aid.scenario}, rule {profile.aid.rule}, {kind}); rig {profile.rig.name}; "
        f"model {profile.model}"
    )


def metrics(as_json: Json = False) -> None:
    """List the objective metrics, with unit and meaning."""
    title, rows = LISTS["metrics"]
    print_list(title, rows(), as_json)


def print_list(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print the rows of a list as text or as JSON."""
    if as_json:
        print_json(rows)
    else:
        typer.echo("\n".join(lines(title, rows)))


def print_entries(rows: list[tuple[str, dict[str, Any]]], as_json: bool) -> None:
    """Print entries of lists, each under the title of its list, or as JSON with the list's name."""
    if as_json:
        print_json([{"list": title, **row} for title, row in rows])
        return
    for title, row in rows:
        print_list(LISTS[title][0], [row], as_json)


def latency(profile: ProfileArgument = DEFAULT_PROFILE, as_json: Json = False) -> None:
    """Print the declared and the measured latency, the compute load, and the comb filter of the vent."""
    from hearsim.aid.hearing_aid import hearing_aid
    from hearsim.bench.blocks import time_blocks
    from hearsim.cli.tables import latency as latency_text
    from hearsim.core.latency import latency_json, load_of
    from hearsim.core.probing import measure, measured_ledger
    from hearsim.ear.vent import vent_comb
    from hearsim.profile.load import load_profile

    loaded = load_profile(profile)
    aid, fmt = hearing_aid(loaded), format_of(loaded.block_samples)
    ledger = replace(measured_ledger(aid, fmt), measured_samples=measure(aid, fmt))
    aid.prepare(fmt)
    load = load_of(time_blocks(aid, fmt, 5 * fmt.rate // fmt.block), fmt)
    table = latency_json(ledger, load, loaded.aid.scenario)
    comb = vent_comb(ledger.total_ms, 10.0) if loaded.aid.vent is not None else None
    if as_json:
        print_json({**table, "vent_comb": comb})
        return
    typer.echo(f"{aid.name}: {fmt}\n{latency_text(table)}")
    if comb is not None:
        typer.echo(
            f"through the vent: notches every {comb['spacing_hz']:.0f} Hz, the first at {comb['first_notch_hz']:.0f}; "
            f"{comb['ripple_db']:.1f} dB of ripple where the aid is 10 dB over the direct sound"
        )


def format_of(block: int) -> "Format":
    """Return the stream format of an aid with blocks of `block` samples."""
    from hearsim.core.audio import Format
    from hearsim.core.audio_files import AID_RATE_HZ

    return Format(AID_RATE_HZ, 2, block)
