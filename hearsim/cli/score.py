"""`hearsim score`: objective metrics of one file against another."""

from pathlib import Path
from typing import Annotated

import typer

from hearsim.cli.options import Json
from hearsim.cli.output import print_json, print_tables


def score(
    reference: Annotated[Path, typer.Argument(help="Reference: a music or speech file.")],
    processed: Annotated[
        Path, typer.Argument(help="Processed file: same length and sample rate as REFERENCE, time-aligned.")
    ],
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile whose rig gives levels in dB SPL: REFERENCE at the microphone, PROCESSED at the ear."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a file against another: STOI, SDR, loudness, levels."""
    from hearsim.cli.tables import score as tables_of
    from hearsim.profile.load import load_profile
    from hearsim.report.score import score as score_files

    scores = score_files(reference, processed, load_profile(profile) if profile else None)
    if as_json:
        print_json(scores)
    else:
        print_tables(*tables_of(scores))
