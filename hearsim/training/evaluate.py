"""Scores of a model on whole tracks, of the mixture, and of ideal masks; an interrupted evaluation can be resumed.

The results are in evaluation.json, track by track; `hearsim.training.evaluation_tables` makes tables and a
plot of them.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from hearsim import __version__
from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, read_json, write_text
from hearsim.core.results import check_earlier, check_same
from hearsim.core.units import FloatArray
from hearsim.metrics.bsseval import Signals
from hearsim.metrics.separation import ideal_ratio_mask_pieces
from hearsim.metrics.stem_scores import Score, StemJudge
from hearsim.metrics.vocal_scores import VocalJudge, VocalScore
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.music.tracks import Track, fingerprint, read_tracks, summary
from hearsim.separation.models import ModelInfo, load_model
from hearsim.separation.net import STEMS, SeparatorNet
from hearsim.separation.offline import separate

MIXTURE, CEILING, TRUE = "mixture", "ideal ratio mask", "true stems"
SCORING = 2
"""Version of the scoring: after a change, older results are refused and cached ones ignored."""

Progress = Callable[[float], None]  # the separated share of the track, 0 .. 1


class TrackScores(BaseModel):
    """A finished track: the checksum of its stems, and the scores of its stems and vocals, system by system."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    scores: list[Score]
    vocals: list[VocalScore]


def score_track(
    track: Track, checksum: str, net: SeparatorNet, name: str, cache: Path, progress: Progress
) -> TrackScores:
    """Return the scores of a track: the mixture's, then the model's under its `name`, then the ceiling's.

    `checksum` is the track's `fingerprint`. The model processes the whole track from the zero state, as in the aid. Of
    a track without vocals the estimate of the vocals is scored too, as nobody sings there.
    """
    parts_of = {ACCOMPANIMENT: [index for index, stem in enumerate(net.stems) if stem != "vocals"]}
    parts_of |= {stem: [index] for index, stem in enumerate(net.stems)}
    stems = [stem for stem in (*net.stems, ACCOMPANIMENT) if stem in track.stems]
    estimated = stems if "vocals" in stems else [*stems, "vocals"]
    voice = estimated.index("vocals")

    def true_stems(start: int, stop: int) -> FloatArray:
        return np.stack([track.read(stem, start, stop - start) for stem in stems])

    def mixture(start: int, stop: int) -> FloatArray:
        return np.asarray(true_stems(start, stop).sum(axis=0))

    def vocals(start: int, stop: int) -> FloatArray:
        if "vocals" not in stems:
            return np.zeros((net.channels, stop - start), np.float32)
        return np.asarray(track.read("vocals", start, stop - start))

    def estimates() -> Iterator[FloatArray]:
        done = 0
        for piece in separate(net, mixture, track.frames):
            yield np.stack([piece[parts_of[stem]].sum(axis=0) for stem in estimated])
            done += piece.shape[-1]
            progress(done / track.frames)

    shape = (len(stems), net.channels, track.frames)
    vocal_judge = VocalJudge(mixture, vocals, track.frames, net.rate)
    with _spilled(estimates(), (len(estimated), *shape[1:]), cache) as estimate:
        judge = StemJudge(true_stems, stems, net.channels, track.frames, net.rate)
        model = judge.score(name, lambda start, stop: estimate(start, stop)[: len(stems)])
        model_vocals = vocal_judge.score(name, lambda start, stop: estimate(start, stop)[voice])
    references = _references(checksum, cache)
    if references is None:
        scores = judge.score(MIXTURE, lambda start, stop: np.stack([mixture(start, stop)] * len(stems)))
        of_vocals = [vocal_judge.score(MIXTURE, mixture), vocal_judge.score(TRUE, vocals)]
        with _spilled(ideal_ratio_mask_pieces(true_stems, track.frames), shape, cache) as estimate:
            scores += judge.score(CEILING, estimate)
            if "vocals" in stems:
                of_vocals.insert(1, vocal_judge.score(CEILING, lambda start, stop: estimate(start, stop)[voice]))
        references = TrackScores(sha256=checksum, scores=scores, vocals=of_vocals)
        write_text(_cached(checksum, cache), references.model_dump_json())
    before, after = references.scores[: len(stems)], references.scores[len(stems) :]
    of_vocals = [references.vocals[0], model_vocals, *references.vocals[1:]]
    return TrackScores(sha256=checksum, scores=[*before, *model, *after], vocals=of_vocals)


def _cached(checksum: str, cache: Path) -> Path:
    make_folder(cache / "scores")
    return cache / "scores" / f"{checksum}-{SCORING}.json"


def _references(checksum: str, cache: Path) -> TrackScores | None:
    """Return the scores of a track that don't depend on the model, if an earlier evaluation has left them."""
    path = _cached(checksum, cache)
    if not path.exists():
        return None
    try:
        return TrackScores.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise HearsimError(f"{path} is damaged: delete it") from error


@contextmanager
def _spilled(pieces: Iterator[FloatArray], shape: tuple[int, int, int], cache: Path) -> Iterator[Signals]:
    """Yield a reader of pieces (stems, channels, n) from a temporary file: each estimate is read three times.

    The file is in the cache folder and is deleted at the end.
    """
    stems, channels, frames = shape
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, prefix="estimates-", buffering=0) as file:
        try:
            for piece in pieces:
                remaining = np.ascontiguousarray(piece.transpose(2, 0, 1), np.float32).data.cast("B")
                while remaining:
                    remaining = remaining[file.write(remaining) :]
        except OSError as error:
            raise HearsimError(f"{cache} can't hold a track's estimates ({error.strerror}): make room") from error
        mapped = np.memmap(file.name, np.float32, "r", shape=(frames, stems, channels))
        yield lambda start, stop: np.ascontiguousarray(mapped[start:stop].transpose(1, 2, 0))


FILE, TABLES = "evaluation.json", ("scores.csv", "summary.csv", "vocals.csv", "scores.svg")


class Evaluation(BaseModel):
    """The content of evaluation.json."""

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
    ignore: tuple[str, ...] = (),
) -> Iterator[tuple[str, TrackScores | None]]:
    """Score a model on the tracks under `root` whose names fit `patterns`; yield each with its scores when finished.

    A track of one stem gets None; one of two stems is scored on vocals and accompaniment.
    Tracks that `out` holds already are not scored again. Files that fit a pattern of `ignore` are skipped. `cache`
    holds decoded stems and the scores that don't depend on the model. `progress` gets a track's name and its separated
    share, 0 .. 1. Raises `HearsimError` where `out` holds results of another model, of another version, or of a
    track that has changed since.
    """
    net, info = load_model(model)
    if not set(STEMS) <= set(net.stems) or net.channels != 2:
        raise HearsimError(f"{info.name} is not a stereo network for {', '.join(STEMS)}: it can't be scored on them")
    if info.name in (MIXTURE, CEILING):
        raise HearsimError(f"a model called {info.name!r} can't stand in one table with the {info.name}: rename it")
    evaluation = _earlier_evaluation(out, info)
    tracks = read_tracks(root, cache / "stems", net.rate, patterns=patterns, ignore=ignore)
    for line in summary(tracks):
        print(line, file=sys.stderr)
    if all(len(track.stems) < 2 for track in tracks):
        raise HearsimError(f"{root}: no track that fits {', '.join(patterns)} has two stems, so none can be separated")
    _save(evaluation, out)  # before the work, to refuse a folder that can't be written at once
    for track in tracks:
        if len(track.stems) < 2:
            yield track.name, None
            continue
        checksum = fingerprint(track)
        if track.name not in evaluation.tracks:
            try:
                scores = score_track(track, checksum, net, info.name, cache, partial(progress, track.name))
            except HearsimError as error:
                raise HearsimError(f"{track.name}: {error}") from error
            evaluation.tracks[track.name] = scores
            _save(evaluation, out)
        elif evaluation.tracks[track.name].sha256 != checksum:
            raise HearsimError(f"{track.name} has changed since it was scored in {out}: choose another --out")
        yield track.name, evaluation.tracks[track.name]


def _save(evaluation: Evaluation, out: Path) -> None:
    make_folder(out)
    write_text(out / FILE, evaluation.model_dump_json(indent=1))


def _earlier_evaluation(out: Path, info: ModelInfo) -> Evaluation:
    """Return the evaluation of an earlier run in `out`, or one without tracks."""
    check_earlier(out, (FILE, *TABLES))
    path = out / FILE
    if not path.exists():
        return Evaluation(
            hearsim=__version__, scoring=SCORING, model=info.name, sha256=info.sha256, network=info.network, tracks={}
        )
    cure = "choose another --out, or delete it"
    raw = read_json(path, cure)
    check_same(path, "version", raw, {"hearsim": __version__, "scoring": SCORING}, cure)
    try:
        earlier = Evaluation.model_validate(raw)
    except ValidationError as error:
        raise HearsimError(f"{path} is not an evaluation, or damaged: {cure}") from error
    if (earlier.sha256, earlier.network) != (info.sha256, info.network):
        raise HearsimError(
            f"{out} holds scores of another model ({earlier.model}, {earlier.sha256[:12]}) than {info.name}, "
            f"{info.sha256[:12]}: choose another --out"
        )
    return earlier
