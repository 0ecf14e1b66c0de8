"""The score of a model on whole tracks: SDR per stem beside the mixture's own and the ideal-ratio-mask ceiling.

Per track the median over 1 s frames of the energy SDR (`hearsim.metrics.separation`, not BSSEval v4); over tracks
the median. A stem counts on the tracks that have it.
"""

import csv
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch

from hearsim.errors import HearsimError
from hearsim.metrics.separation import SdrMeter, ideal_ratio_mask
from hearsim.paths import write_atomically
from hearsim.separation.model import load_model
from hearsim.separation.net import STEMS
from hearsim.training.data import Track, read_tracks
from hearsim.units import FloatArray

SYSTEMS = ("mixture", "model", "ideal ratio mask")
Scores = dict[tuple[str, str, str], float]  # (track, system, stem): dB


def evaluate(
    model: str | Path, root: Path, cache: Path, patterns: tuple[str, ...], table: Path | None
) -> Iterator[str]:
    """Yield a line per track and the medians; write all scores to a CSV where `table` is given.

    The model hears whole tracks from a silent start, as it does in the aid. `patterns` choose tracks by name.
    """
    net, _ = load_model(model)
    tracks = [t for t in read_tracks(root, cache) if any(fnmatch(t.name, pattern) for pattern in patterns)]
    if not tracks:
        raise HearsimError(f"{root} holds no track that fits {', '.join(patterns)}")
    scores: Scores = {}
    for track in tracks:
        truth = np.stack([track.read(stem, 0, track.frames) for stem in STEMS])
        mixed = truth.sum(axis=0)
        with torch.inference_mode():
            estimate = net(torch.from_numpy(mixed)[None])[0].numpy()
        found = (np.broadcast_to(mixed, truth.shape), estimate, ideal_ratio_mask(truth))
        for system, estimates in zip(SYSTEMS, found, strict=True):
            _score(scores, track, system, truth, estimates, net.rate)
        yield f"{track.name}: " + ", ".join(f"{stem} {db:.1f}" for (_, _, stem), db in _of(scores, track.name, "model"))
    for system in SYSTEMS:
        medians = {
            stem: np.median([db for (_, s, k), db in scores.items() if (s, k) == (system, stem)]) for stem in STEMS
        }
        row = ", ".join(f"{stem} {db:.2f}" for stem, db in medians.items())
        yield f"{system}: {row}; mean {np.mean(list(medians.values())):.2f} dB"
    if table is not None:
        with write_atomically(table) as part, part.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("track", "system", "stem", "sdr_db"))
            rows.writerows((*key, f"{db:.3f}") for key, db in sorted(scores.items()))


def _score(scores: Scores, track: Track, system: str, truth: FloatArray, estimates: FloatArray, rate: int) -> None:
    for index, stem in enumerate(STEMS):
        if stem in track.stems:
            meter = SdrMeter(rate)
            meter.add(truth[index], estimates[index])
            scores[track.name, system, stem] = meter.sdr_db()


def _of(scores: Scores, track: str, system: str) -> list[tuple[tuple[str, str, str], float]]:
    return [(key, db) for key, db in scores.items() if key[:2] == (track, system)]
