"""Time our BSSEval v4 against museval on the same tracks: `python -m tests.reference.bench_bsseval TRACK...`.

TRACK is a folder with vocals, drums, bass and other; its first `--seconds` are scored. The estimates are the true stems
with a third of the mixture leaking in, and noise. Rounds are interleaved; the medians of their times are printed, and
the greatest difference between the scores.
"""

import argparse
import statistics
import time
from pathlib import Path

import museval
import numpy as np

from hearsim.metrics.bsseval import BssEval
from hearsim.training.data import read_tracks
from hearsim.units import FloatArray

RATE = 44100


def compare(truth: FloatArray, estimates: FloatArray, rounds: int) -> tuple[float, float, dict[str, float]]:
    """Return the median seconds of ours and of museval, and the greatest difference of each ratio in dB."""
    times: dict[str, list[float]] = {"ours": [], "museval": []}
    for _ in range(rounds):
        started = time.perf_counter()
        ours = BssEval(lambda a, b: truth[..., a:b], truth.shape, RATE).score(lambda a, b: estimates[..., a:b])
        times["ours"].append(time.perf_counter() - started)
        started = time.perf_counter()
        theirs = museval.evaluate(truth.transpose(0, 2, 1), estimates.transpose(0, 2, 1))
        times["museval"].append(time.perf_counter() - started)
    apart = {name: float(np.nanmax(np.abs(a - b))) for name, a, b in zip(ours._fields, ours, theirs, strict=True)}
    return statistics.median(times["ours"]), statistics.median(times["museval"]), apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for folder in given.tracks:
        tracks = read_tracks(folder.parent, Path("~/.cache/hearsim/stems").expanduser())
        track = next(track for track in tracks if track.name == folder.name)
        frames = min(track.frames, int(given.seconds * RATE))
        truth = np.stack([track.read(stem, 0, frames) for stem in track.stems])
        noise = np.random.default_rng(0).standard_normal(truth.shape) * 1e-3
        estimates = (truth * 0.6 + truth.sum(0) / 3 + noise).astype(np.float32)
        ours, theirs, apart = compare(truth, estimates, given.rounds)
        print(f"{folder.name}, {frames / RATE:.0f} s, {len(truth)} stems: ours {ours:.2f} s, museval {theirs:.2f} s,")
        print(f"  {theirs / ours:.1f} times as fast; greatest difference in dB {apart}", flush=True)


if __name__ == "__main__":
    main()
