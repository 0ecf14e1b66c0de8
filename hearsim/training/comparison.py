"""Trains and scores the runs of a file of variants, as far as their folder doesn't hold them yet."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from hearsim.errors import HearsimError
from hearsim.metrics.separation import SdrMeter
from hearsim.paths import write_atomically
from hearsim.separation.net import STEMS, SeparatorNet
from hearsim.separation.pack import read_weights
from hearsim.separation.pieces import separate
from hearsim.training import checkpoint
from hearsim.training.data import Track, read_tracks
from hearsim.training.distributed import processes
from hearsim.training.loop import CHECKPOINT, train
from hearsim.training.spec import TrainSpec
from hearsim.training.variants import Variants
from hearsim.units import FloatArray

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
    """Of training and scoring, by the process that finished: less than the whole of a run that was interrupted."""
    scores: list[TrackScore]


class Excerpt(NamedTuple):
    """A piece of a track to score: its group, the track's name, and the stems that play in it."""

    group: str
    track: str
    stems: list[str]
    truth: FloatArray  # (stems, channels, frames)


def run_variants(variants: Variants, run: Path) -> Iterator[Run]:
    """Yield the mixture's scores, then those of each run, which is trained first if `run` doesn't hold it.

    Raises `HearsimError` where `run` holds a run of the same name by another spec, where a track would be both trained
    on and scored, and under torchrun.
    """
    if processes() > 1:
        raise HearsimError("--variants trains one run after the other in one process: start it without torchrun")
    data = variants.base.data
    found = read_tracks(data.root, data.cache, variants.rate, load=data.load)
    excerpts = _excerpts(variants, found)
    yield Run(variant=MIXTURE, scores=[_score(excerpt, None, variants.rate) for excerpt in excerpts])
    for (name, seed), spec in variants.specs.items():
        folder = run / f"{name}-{seed}"
        asked = {"spec": checkpoint.settings(spec), "test": variants.test.model_dump(mode="json")}
        finished = _finished(folder / FINISHED, asked)
        if finished is None:
            print(f"{name}, seed {seed}", flush=True)
            finished = _train_and_score(name, seed, spec, folder, found, excerpts)
            with write_atomically(folder / FINISHED) as part:
                part.write_text(json.dumps({**asked, "run": finished.model_dump()}, indent=1), encoding="utf-8")
        yield finished


def _finished(path: Path, asked: dict[str, Any]) -> Run | None:
    """Return what an earlier process has finished, None if nothing."""
    if not path.exists():
        return None
    try:
        held = json.loads(path.read_bytes())
        said, run = {key: held[key] for key in asked}, Run.model_validate(held["run"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValidationError):
        raise HearsimError(f"{path} is damaged: delete it, and the run is scored anew") from None
    for table, settings in asked.items():
        for key, value in settings.items():
            if said[table].get(key) != value:
                raise HearsimError(
                    f"{path} is of another {table}: {key} is {said[table].get(key)!r} there and {value!r} here; give "
                    "another --run"
                )
    return run


def _train_and_score(
    name: str, seed: int, spec: TrainSpec, folder: Path, found: list[Track], excerpts: list[Excerpt]
) -> Run:
    started = time.process_time()
    net = read_weights(train(spec, folder, (folder / CHECKPOINT).exists(), found=found))
    return Run(
        variant=name,
        seed=seed,
        parameters=net.parameter_count(),
        live_ms=net.config.live_ms,
        audio_hours=spec.optimizer.steps * spec.optimizer.batch * spec.optimizer.seconds / 3600,
        scores=[_score(excerpt, net, net.rate) for excerpt in excerpts],
        cpu_hours=(time.process_time() - started) / 3600,
    )


def _excerpts(variants: Variants, found: list[Track]) -> list[Excerpt]:
    """Return the middle of each track to be scored."""
    excerpts = []
    for group, patterns in variants.test.tracks.items():
        chosen = [track for track in found if track.fits(patterns)]
        if not chosen:
            raise HearsimError(f"{variants.base.data.root} holds no track that fits test.tracks.{group} = {patterns}")
        for track in chosen:
            for (name, _), spec in variants.specs.items():
                if not track.fits(spec.data.kept_out):
                    raise HearsimError(f"{track.name} is scored, but {name} trains on it: name it in data.held_out")
            frames = min(track.frames, round(variants.test.seconds * variants.rate))
            parts = {stem: track.read(stem, (track.frames - frames) // 2, frames) for stem in STEMS}
            playing = [stem for stem in STEMS if parts[stem].any()]
            if not playing:
                raise HearsimError(
                    f"{track.name} is silent in its middle {variants.test.seconds:g} s: score more of it"
                )
            excerpts.append(Excerpt(group, track.name, playing, np.stack([parts[stem] for stem in playing])))
    return excerpts


def _score(excerpt: Excerpt, net: SeparatorNet | None, rate: int) -> TrackScore:
    """Return a network's scores, heard from a silent start, or the mixture's."""
    mix = np.asarray(excerpt.truth.sum(0))
    meters = [SdrMeter(rate) for _ in excerpt.stems]
    pieces = [np.stack([mix] * len(STEMS))] if net is None else separate(net, lambda a, b: mix[:, a:b], mix.shape[-1])
    start = 0
    for piece in pieces:
        for meter, stem, truth in zip(meters, excerpt.stems, excerpt.truth, strict=True):
            meter.add(truth[:, start : start + piece.shape[-1]], piece[STEMS.index(stem)])
        start += piece.shape[-1]
    scores = {stem: meter.sdr_db() for stem, meter in zip(excerpt.stems, meters, strict=True)}
    return TrackScore(group=excerpt.group, track=excerpt.track, stems=scores)
