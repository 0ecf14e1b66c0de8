"""Listeners and mixes from the JSON files of the Clarity and Cadenza challenges."""

from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_json
from hearsim.core.validation import check
from hearsim.profile.schema import Listener, Mix

CLARITY_EARS = {"left": "audiogram_levels_l", "right": "audiogram_levels_r"}


def load_listeners(path: str | Path) -> dict[str, Listener]:
    """Load a Clarity or Cadenza listeners.json."""
    path = Path(path)
    return {name: clarity_listener(path, name, row) for name, row in read_json(path).items()}


def load_mixes(path: str | Path) -> dict[str, Mix]:
    """Load a Cadenza gains.json ({mix: {stem: dB}})."""
    path = Path(path)
    return {name: cadenza_mix(path, name, row) for name, row in read_json(path).items()}


def clarity_listener(path: Path, name: str, row: Any) -> Listener:
    """Return the listener of one row of a Clarity file; raises `HearsimError`."""
    if not isinstance(row, dict):
        raise HearsimError(f"{path}: listener {name} is {row!r}: it needs audiogram_cfs and the two audiogram_levels")
    ears = {}
    for ear, key in CLARITY_EARS.items():
        for column in ("audiogram_cfs", key):
            if column not in row:
                raise HearsimError(f"{path}: listener {name} lacks {column}: add it, or remove the listener")
        ears[ear] = {"frequencies_hz": row["audiogram_cfs"], "thresholds_db_hl": row[key]}
    field_names = {f"{ear}.frequencies_hz": "audiogram_cfs" for ear in CLARITY_EARS}
    field_names |= {f"{ear}.thresholds_db_hl": key for ear, key in CLARITY_EARS.items()}
    return check(path, Listener, {"name": name, **ears}, f"listener {name}: ", field_names)


def cadenza_mix(path: Path, name: str, row: Any) -> Mix:
    """Return the mix of one row of a Cadenza file; raises `HearsimError`."""
    return check(
        path, Mix, {"name": name, "gains_db": row}, f"mix {name}: ", {"gains_db.": "", "gains_db": "its gains"}
    )
