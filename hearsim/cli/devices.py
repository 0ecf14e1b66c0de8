"""`hearsim devices`: the sound devices of this machine."""

from dataclasses import asdict

import typer

from hearsim.cli.options import Json
from hearsim.cli.output import print_json, print_tables


def devices(as_json: Json = False) -> None:
    """List the sound devices, and which one `hearsim live play` would choose, and why."""
    from rich.table import Table

    from hearsim.core.audio_files import AID_RATE_HZ
    from hearsim.live.portaudio import Choice, choose, listed

    table = Table("number", title="Sound devices", title_justify="left")
    for column in ("name", "host API"):
        table.add_column(column, overflow="fold")
    for column in ("in", "out", "rate Hz", f"{AID_RATE_HZ} Hz", "in ms", "out ms"):
        table.add_column(column, justify="right")
    rows = []
    for device in listed():
        latencies = (f"{device.input_ms:.1f}", f"{device.output_ms:.1f}")
        opens = None if not device.outputs else not Choice(device, None, "").refusal(AID_RATE_HZ)
        word = {None: "no output", False: "no", True: "yes"}[opens]
        counts = (str(device.inputs), str(device.outputs), f"{device.rate_hz:g}", word)
        table.add_row(str(device.index), device.name, device.api, *counts, *latencies)
        rows.append({**asdict(device), f"opens_at_{AID_RATE_HZ}_hz": opens})
    if rows and not as_json:
        print_tables(table)
        typer.echo(
            "latencies as the drivers report them; `hearsim live loopback` measures. A device that does not open at "
            f"{AID_RATE_HZ} Hz is opened at its own rate, and the sound resampled"
        )
    choice = choose(None, wants_input=False, rate=AID_RATE_HZ)
    if as_json:
        print_json({"devices": rows, "chosen": choice.output.index, "why": choice.why})
    else:
        typer.echo(f"chosen: {choice.output.index} {choice.label}, since {choice.why}")
