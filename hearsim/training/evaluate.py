"""A model's scores on whole tracks, beside the mixture's own and the ceiling of masking; an interrupted run goes on.

The results lie in evaluation.json, one track after the other; `hearsim.report.evaluation` makes tables and a plot of
them.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hearsim import __version__
from hearsim.errors import HearsimError
from hearsim.metrics.stem_scores import Score
from hearsim.paths import write_atomically, writes
from hearsim.separation.model import ModelInfo, load_model
from hearsim.separation.net import STEMS
from hearsim.training.data import read_tracks
from hearsim.training.scoring import CEILING, MIXTURE, SCORING, fingerprint, score_track

FILE = "evaluation.json"


class TrackScores(BaseModel):
    """A finished track: the checksum of its stems, and its scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    scores: list[Score]


class Evaluation(BaseModel):
    """What evaluation.json holds."""

    model_config = ConfigDict(extra="forbid")

    hearsim: str
    scoring: int
    model: str
    sha256: str
    network: dict[str, Any]
    tracks: dict[str, TrackScores]


def evaluate(
    model: str | Path,
    root: Path,
    cache: Path,
    patterns: tuple[str, ...],
    out: Path,
    progress: Callable[[str, float], None],
) -> Iterator[tuple[str, list[Score]]]:
    """Score a model on the tracks under `root` whose names fit `patterns`; yield each with its scores when finished.

    A track of one stem has nothing to separate and gets none. Tracks that `out` holds already are not scored again.
    `cache` keeps decoded stems and the scores that no model changes. `progress` hears a track's name and how much of it
    is separated, 0 .. 1. Raises `HearsimError` where `out` holds results of another model, of another version, or of a
    track that has changed since.
    """
    net, info = load_model(model)
    if not set(STEMS) <= set(net.stems) or net.channels != 2:
        raise HearsimError(f"{info.name} is not a stereo network for {', '.join(STEMS)}: it can't be scored on them")
    if info.name in (MIXTURE, CEILING):
        raise HearsimError(f"a model called {info.name!r} can't stand in one table with the {info.name}: rename it")
    evaluation = _held(out, info)
    tracks = read_tracks(root, cache / "stems", net.rate, patterns=patterns)
    if all(len(track.stems) < 2 for track in tracks):
        raise HearsimError(f"{root}: no track that fits {', '.join(patterns)} has two stems, so none can be separated")
    _save(evaluation, out)  # which tells before the work whether the folder can be written
    for track in tracks:
        if len(track.stems) < 2:
            yield track.name, []
            continue
        checksum = fingerprint(track)
        if track.name not in evaluation.tracks:
            try:
                found = score_track(track, checksum, net, info.name, cache, partial(progress, track.name))
            except HearsimError as error:
                raise HearsimError(f"{track.name}: {error}") from error
            evaluation.tracks[track.name] = TrackScores(sha256=checksum, scores=found)
            _save(evaluation, out)
        elif evaluation.tracks[track.name].sha256 != checksum:
            raise HearsimError(f"{track.name} has changed since it was scored in {out}: choose another --out")
        yield track.name, evaluation.tracks[track.name].scores


def _save(evaluation: Evaluation, out: Path) -> None:
    with writes(out):
        out.mkdir(parents=True, exist_ok=True)
        with write_atomically(out / FILE) as part:
            part.write_text(evaluation.model_dump_json(indent=1), encoding="utf-8")


def _held(out: Path, info: ModelInfo) -> Evaluation:
    """Return what an earlier run has left in `out`, or an evaluation without tracks."""
    if out.exists() and not out.is_dir():
        raise HearsimError(f"{out} is a file: choose another --out")
    path = out / FILE
    if not path.exists():
        if (out / "scores.csv").exists():
            raise HearsimError(f"{out} holds scores.csv but no {FILE}: choose another --out")
        return Evaluation(
            hearsim=__version__, scoring=SCORING, model=info.name, sha256=info.sha256, network=info.network, tracks={}
        )
    try:
        raw = json.loads(path.read_bytes())
        found = raw["hearsim"], raw["scoring"]
        if found != (__version__, SCORING):
            raise HearsimError(
                f"{out} holds scores of hearsim {found[0]} (scoring {found[1]}), this is {__version__} (scoring "
                f"{SCORING}): choose another --out"
            )
        held = Evaluation.model_validate(raw)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValidationError) as error:
        raise HearsimError(f"{path} is not an evaluation, or damaged: choose another --out, or delete it") from error
    if (held.sha256, held.network) != (info.sha256, info.network):
        raise HearsimError(
            f"{out} holds scores of another model ({held.model}, {held.sha256[:12]}) than {info.name}, "
            f"{info.sha256[:12]}: choose another --out"
        )
    return held
