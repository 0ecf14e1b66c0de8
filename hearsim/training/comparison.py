"""Trains and scores the missing runs of a file of variants."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, StringConstraints, ValidationError

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_json, read_toml, write_text
from hearsim.core.results import check_same
from hearsim.core.units import FloatArray
from hearsim.core.validation import check, format_validation_error
from hearsim.metrics.separation import SdrMeter
from hearsim.music.tracks import Track, matching, warn_of_short
from hearsim.separation.models import read_weights
from hearsim.separation.net import STEMS, SeparatorNet
from hearsim.separation.offline import separate
from hearsim.training import checkpoint
from hearsim.training.data import read_data
from hearsim.training.distributed import processes
from hearsim.training.loop import CHECKPOINT, train
from hearsim.training.spec import TrainSpec, read_spec

Name = Annotated[str, StringConstraints(pattern=r"^[\w.]+(-[\w.]+)*$")]


class ScoreSpec(BaseModel):
    """The scored excerpts: `seconds` from the middle of each track, tracks in named groups of patterns."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seconds: PositiveFloat = 60.0
    tracks: dict[str, tuple[str, ...]] = Field(min_length=1)


class VariantsSpec(BaseModel):
    """The content of a file of variants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path
    seeds: tuple[NonNegativeInt, ...] = Field(default=(1, 2), min_length=1)
    test: ScoreSpec
    variants: dict[Name, dict[str, dict[str, Any]]] = Field(min_length=1)


class Variants:
    """A file of variants, read and checked: the spec of each run.

    Raises `HearsimError` naming file and key; also for a variant that trains on scored tracks, or that changes the
    folder of the tracks or their rate, as all variants share them.
    """

    def __init__(self, path: Path) -> None:
        variants_spec = check(path, VariantsSpec, read_toml(path))
        self.test = variants_spec.test
        base = read_spec(path.parent / variants_spec.base)
        self.base, self.rate = base, base.model.config(str(variants_spec.base)).rate
        self.specs: dict[tuple[str, int], TrainSpec] = {}  # all variants of the first seed, then of the next
        for seed in variants_spec.seeds:
            for name, changes in variants_spec.variants.items():
                self.specs[name, seed] = _changed(base, name, seed, changes, f"{path}: variants.{name}")
        for name in variants_spec.variants:
            spec = self.specs[name, variants_spec.seeds[0]]
            if spec.data.cache != base.data.cache or not spec.data.folders.items() <= base.data.folders.items():
                raise HearsimError(
                    f"{path}: variants.{name} has tracks of its own: name root, cache and all sources in the base, "
                    "with a weight above 0"
                )
            if spec.model.config("").rate != self.rate:
                raise HearsimError(f"{path}: variants.{name} has a rate of its own: name model.rate in the base spec")


def _changed(base: TrainSpec, name: str, seed: int, changes: dict[str, dict[str, Any]], where: str) -> TrainSpec:
    """Return a base spec with some keys changed."""
    tables = base.model_dump()
    for table, keys in changes.items():
        before = tables.get(table, {})
        sources = {name: {**before["sources"].get(name, {}), **one} for name, one in keys.get("sources", {}).items()}
        merged = {"sources": {**before["sources"], **sources}} if sources else {}
        tables[table] = {**before, **keys, **merged}
    tables["model"]["name"], tables["optimizer"]["seed"] = name, seed
    try:
        spec = TrainSpec.model_validate(tables)
    except ValidationError as error:
        raise HearsimError(f"{where}: {format_validation_error(error, TrainSpec)}") from None
    spec.model.config(where)
    return spec


FINISHED = "finished.json"
MIXTURE = "mixture"


class TrackScore(BaseModel):
    """The energy SDR in dB (median over the 1 s frames in which a stem plays) of the stems that an excerpt has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str
    track: str
    stems: dict[str, float]


class Run(BaseModel):
    """A finished run; or the mixture itself as the estimate of every stem, with neither seed nor costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: str
    seed: int | None = None
    parameters: int | None = None
    live_ms: float | None = None
    audio_hours: float | None = None
    cpu_hours: float | None = None
    """Of training and scoring in the last process; excludes earlier parts of an interrupted run."""
    scores: list[TrackScore]


class Excerpt(NamedTuple):
    """A piece of a track to score: its group, the track's name, and the stems that play in it."""

    group: str
    track: str
    stems: list[str]
    true_stems: FloatArray  # (stems, channels, frames)


def run_variants(variants: Variants, run: Path) -> Iterator[Run]:
    """Yield the mixture's scores, then those of each run, which is trained first if missing in `run`.

    Raises `HearsimError` where `run` holds a run of the same name by another spec, where a track would be both trained
    on and scored, and under torchrun.
    """
    if processes() > 1:
        raise HearsimError("--variants trains one run after the other in one process: start it without torchrun")
    data = variants.base.data
    tracks = read_data(data, variants.rate)
    excerpts = _excerpts(variants, tracks)
    yield Run(variant=MIXTURE, scores=[_score(excerpt, None, variants.rate) for excerpt in excerpts])
    for (name, seed), spec in variants.specs.items():
        folder = run / f"{name}-{seed}"
        asked = {"spec": checkpoint.settings(spec), "test": variants.test.model_dump(mode="json")}
        finished = _finished(folder / FINISHED, asked)
        if finished is None:
            print(f"{name}, seed {seed}", flush=True)
            finished = _train_and_score(name, seed, spec, folder, tracks, excerpts)
            write_text(folder / FINISHED, json.dumps({**asked, "run": finished.model_dump()}, indent=1))
        yield finished


def _finished(path: Path, asked: dict[str, Any]) -> Run | None:
    """Return the finished run of an earlier process, or None."""
    if not path.exists():
        return None
    cure = "delete it, and the run is scored anew"
    held = read_json(path, cure)
    try:
        run = Run.model_validate(held["run"])
        for table, settings in asked.items():
            check_same(path, table, held[table], settings, "give another --run")
    except (KeyError, ValidationError):
        raise HearsimError(f"{path} is damaged: {cure}") from None
    return run


def _train_and_score(
    name: str, seed: int, spec: TrainSpec, folder: Path, tracks: list[Track], excerpts: list[Excerpt]
) -> Run:
    started = time.process_time()
    net = read_weights(train(spec, folder, (folder / CHECKPOINT).exists(), all_tracks=tracks))
    return Run(
        variant=name,
        seed=seed,
        parameters=net.parameter_count(),
        live_ms=net.config.live_ms,
        audio_hours=spec.optimizer.steps * spec.optimizer.batch * spec.optimizer.seconds / 3600,
        scores=[_score(excerpt, net, net.rate) for excerpt in excerpts],
        cpu_hours=(time.process_time() - started) / 3600,
    )


def _excerpts(variants: Variants, tracks: list[Track]) -> list[Excerpt]:
    """Return the middle of each track to be scored."""
    excerpts = []
    root, names = str(variants.base.data.root), [track.name for track in tracks]
    trained_on = {name: spec.data.roles(names)["training"] for (name, _), spec in variants.specs.items()}
    for group, patterns in variants.test.tracks.items():
        chosen = matching(names, patterns, root, f"test.tracks.{group}")
        scored = [track for track in tracks if track.name in chosen]
        warn_of_short(scored, variants.test.seconds, variants.rate, f"test.tracks.{group}: seconds")
        for track in scored:
            for name, training in trained_on.items():
                if track.name in training:
                    raise HearsimError(f"{track.name} is scored, but {name} trains on it: name it in data.held_out")
            frames = min(track.frames, round(variants.test.seconds * variants.rate))
            parts = dict(zip(STEMS, track.read_stems((track.frames - frames) // 2, frames), strict=True))
            playing = [stem for stem in STEMS if parts[stem].any()]
            if not playing:
                raise HearsimError(
                    f"{track.name} is silent in its middle {variants.test.seconds:g} s: score more of it"
                )
            excerpts.append(Excerpt(group, track.name, playing, np.stack([parts[stem] for stem in playing])))
    return excerpts


def _score(excerpt: Excerpt, net: SeparatorNet | None, rate: int) -> TrackScore:
    """Return a network's scores from the zero state, or the mixture's."""
    mix = np.asarray(excerpt.true_stems.sum(0))
    meters = [SdrMeter(rate) for _ in excerpt.stems]
    pieces = [np.stack([mix] * len(STEMS))] if net is None else separate(net, lambda a, b: mix[:, a:b], mix.shape[-1])
    start = 0
    for piece in pieces:
        for meter, stem, true_stem in zip(meters, excerpt.stems, excerpt.true_stems, strict=True):
            meter.add(true_stem[:, start : start + piece.shape[-1]], piece[STEMS.index(stem)])
        start += piece.shape[-1]
    scores = {stem: meter.sdr_db() for stem, meter in zip(excerpt.stems, meters, strict=True)}
    return TrackScore(group=excerpt.group, track=excerpt.track, stems=scores)
