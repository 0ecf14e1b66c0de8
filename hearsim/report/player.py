"""The player of a page: several sounds at one position, switched without a gap; keys, level match, a loop.

All sounds are in the page, decoded by the browser and started on the same sample (Web Audio); a switch is a crossfade
of 10 ms between gains. So a page that is opened from the disk needs no server and no other file.
"""

import base64
from collections.abc import Mapping
from typing import Any

from hearsim.simulation.clips import Excerpts

LABELS = {
    "input": "The song as it comes in",
    "unaided": "What this listener hears without the aid",
    "aided": "What the aid plays",
    "heard": "What this listener hears with the aid",
}


def player(sounds: Excerpts, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the template report/player.html.j2 shows; a sound without a label of its own is a separated stem."""
    known = LABELS if labels is None else labels
    match_db = sounds.match_db()
    return {
        "rate": sounds.rate,
        "seconds": sounds.seconds,
        "note": sounds.note,
        "sounds": [
            {
                "label": known.get(name, f"Separated stem: {name}"),
                "match_db": match_db[name],
                "flac": base64.b64encode(sounds.flac(name)).decode(),
            }
            for name in sounds.sounds
        ],
    }
