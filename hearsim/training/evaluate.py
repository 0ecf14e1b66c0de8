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
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hearsim import __version__
from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, read_json, write_text
from hearsim.core.results import check_earlier, check_same
from hearsim.core.units import FloatArray
from hearsim.metrics.bsseval import Signals
from hearsim.metrics.separation import ideal_ratio_mask_pieces
from hearsim.metrics.stem_scores import Score, StemJudge
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.music.tracks import Track, fingerprint, read_tracks, summary
from hearsim.separation.models import ModelInfo, load_model
from hearsim.separation.net import STEMS, SeparatorNet
from hearsim.separation.offline import separate

MIXTURE, CEILING = "mixture", "ideal ratio mask"
SCORING = 1
"""Version of the scoring: after a change, older results are refused and cached ones ignored."""

Progress = Callable[[float], None]  # the separated share of the track, 0 .. 1


def score_track(
    track: Track, checksum: str, net: SeparatorNet, name: str, cache: Path, progress: Progress
) -> list[Score]:
    """Return the scores of a track: the mixture's, then the model's under its `name`, then the ceiling's.

    `checksum` is the track's `fingerprint`. The model processes the whole track from the zero state, as in the aid.
    """
    parts_of = {ACCOMPANIMENT: [index for index, stem in enumerate(net.stems) if stem != "vocals"]}
    parts_of |= {stem: [index] for index, stem in enumerate(net.stems)}
    stems = [stem for stem in (*net.stems, ACCOMPANIMENT) if stem in track.stems]

    def true_stems(start: int, stop: int) -> FloatArray:
        return np.stack([track.read(stem, start, stop - start) for stem in stems])

    def mixture(start: int, stop: int) -> FloatArray:
        return np.asarray(true_stems(start, stop).sum(axis=0))

    def estimates() -> Iterator[FloatArray]:
        done = 0
        for piece in separate(net, mixture, track.frames):
            yield np.stack([piece[parts_of[stem]].sum(axis=0) for stem in stems])
            done += piece.shape[-1]
            progress(done / track.frames)

    shape = (len(stems), net.channels, track.frames)
    with _spilled(estimates(), shape, cache) as estimate:
        judge = StemJudge(true_stems, stems, net.channels, track.frames, net.rate)
        model = judge.score(name, estimate)
    cached = cache / "scores" / f"{checksum}-{SCORING}.json"
    if cached.exists():
        try:
            references = _ROWS.validate_json(cached.read_bytes())
        except ValidationError as error:
            raise HearsimError(f"{cached} is damaged: delete it") from error
    else:
        references = judge.score(MIXTURE, lambda start, stop: np.stack([mixture(start, stop)] * len(stems)))
        with _spilled(ideal_ratio_mask_pieces(true_stems, track.frames), shape, cache) as estimate:
            references += judge.score(CEILING, estimate)
        make_folder(cached.parent)
        write_text(cached, _ROWS.dump_json(references).decode())
    return [*references[: len(stems)], *model, *references[len(stems) :]]


_ROWS = TypeAdapter(list[Score])


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


FILE, TABLES = "evaluation.json", ("scores.csv", "summary.csv", "scores.svg")


class TrackScores(BaseModel):
    """A finished track: the checksum of its stems, and its scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    scores: list[Score]


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
) -> Iterator[tuple[str, list[Score]]]:
    """Score a model on the tracks under `root` whose names fit `patterns`; yield each with its scores when finished.

    A track of one stem gets no scores; one of two stems is scored on vocals and accompaniment.
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
            yield track.name, []
            continue
        checksum = fingerprint(track)
        if track.name not in evaluation.tracks:
            try:
                scores = score_track(track, checksum, net, info.name, cache, partial(progress, track.name))
            except HearsimError as error:
                raise HearsimError(f"{track.name}: {error}") from error
            evaluation.tracks[track.name] = TrackScores(sha256=checksum, scores=scores)
            _save(evaluation, out)
        elif evaluation.tracks[track.name].sha256 != checksum:
            raise HearsimError(f"{track.name} has changed since it was scored in {out}: choose another --out")
        yield track.name, evaluation.tracks[track.name].scores


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
