"""manifest.json of a listening test: what every file is, for the analysis and for the record; no time, no NaN."""

import hashlib
from typing import Any

import hearsim
from hearsim.audio_files import AID_RATE_HZ
from hearsim.export.names import HIDDEN, SCHEMA
from hearsim.export.order import code, trials
from hearsim.export.songs import Excerpt
from hearsim.export.spec import Plan, Version
from hearsim.separation.model import ModelInfo

Table = dict[str, Any]


def manifest(
    plan: Plan, excerpts: list[Excerpt], models: dict[str, ModelInfo | None], tone: Table, stimuli: list[Table]
) -> Table:
    """Return the manifest; `stimuli` are its entries, `tone` the calibration."""
    spec = plan.spec
    return {
        "schema": SCHEMA,
        "hearsim": hearsim.__version__,
        "name": spec.name,
        "method": spec.method,
        "spec": {"path": plan.path.name, "sha256": hashlib.sha256(plan.path.read_bytes()).hexdigest()},
        "seed": spec.seed,
        "rate_hz": AID_RATE_HZ,
        "channels": 2,
        "samples": spec.samples,
        "gain_db": spec.gain_db,
        "calibration": tone,
        "rig": plan.rig.model_dump(mode="json"),
        "songs": {one.name: one.origin for one in excerpts},
        "models": {name: _model(info) for name, info in sorted(models.items())},
        "fittings": {key: listener.model_dump(mode="json") for key, listener in plan.fittings.items()},
        "conditions": {version.name: _version(version) for version in plan.versions},
        "participants": [
            {
                "id": who.id,
                "test_id": plan.test_id(who),
                "group": plan.group(who),
                "fitting": plan.fitted[who.id],
                "trials": [{"id": one.id, "song": one.song, "conditions": one.versions} for one in trials(plan, who)],
            }
            for who in spec.participants
        ],
        "hidden": {
            code(plan, fitting, song.name, HIDDEN): {"fitting": fitting, "song": song.name}
            for fitting in plan.fittings
            for song in spec.songs
        },
        "stimuli": stimuli,
    }


def _version(version: Version) -> Table:
    return {
        "role": version.role,
        "mix": version.mix.model_dump(mode="json"),
        "model": version.model,
        "aid": version.aid.model_dump(mode="json"),
        "low_pass_hz": version.low_pass_hz,
    }


def _model(info: ModelInfo | None) -> Table:
    return {"sha256": info.sha256, "parameters": info.parameters} if info else {}
