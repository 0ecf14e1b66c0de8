"""The player of a page: several sounds at one position, switched without a gap; with keys, level match and a loop.

All sounds are in the page, decoded by the browser and started on the same sample (Web Audio); a switch is a crossfade
of 10 ms between gains. So a page opened from the disk needs no server and no other file.
"""

import base64
from collections.abc import Mapping
from typing import Any

from hearsim.simulation.clips import Excerpts

LABELS = {
    "input": "The song at the input",
    "unaided": "Heard by this listener without the aid",
    "aided": "Output of the aid",
    "heard": "Heard by this listener with the aid",
}


def player(sounds: Excerpts, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the data of the template report/player.html.j2; a sound without a label is a separated stem."""
    if labels is None:
        labels = LABELS
    match_db = sounds.match_db()
    return {
        "rate": sounds.rate,
        "seconds": sounds.seconds,
        "note": sounds.note,
        "sounds": [
            {
                "label": labels.get(name, f"Separated stem: {name}"),
                "match_db": match_db[name],
                "flac": base64.b64encode(sounds.flac(name)).decode(),
            }
            for name in sounds.sounds
        ],
    }
