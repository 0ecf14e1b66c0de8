"""Time our BSSEval v4 against museval on the same tracks: `python -m tests.reference.bench_bsseval TRACK...`.

TRACK is a folder with vocals, drums, bass and other; its first `--seconds` are scored. The estimates are the true stems
with a third of the mixture leaking in, and noise. Rounds are interleaved; the medians of their times are printed, and
the greatest difference between the scores.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import museval
import numpy as np

from hearsim.core.units import FloatArray
from hearsim.metrics.bsseval import BssEval, BssScores
from hearsim.music.tracks import read_tracks

RATE = 44100
Times = tuple[float, float]


def compare(truth: FloatArray, estimates: FloatArray, rounds: int) -> tuple[Times, Times, dict[str, float]]:
    """Return the median (wall, CPU) seconds of ours and of museval, and the greatest difference of each ratio in dB."""

    def ours() -> BssScores:
        return BssEval(lambda a, b: truth[..., a:b], truth.shape, RATE).score(lambda a, b: estimates[..., a:b])

    def theirs() -> BssScores:
        return BssScores(*museval.evaluate(truth.transpose(0, 2, 1), estimates.transpose(0, 2, 1)))

    runs = [(timed(ours), timed(theirs)) for _ in range(rounds)]
    mine, other = ([side[0] for side in sides] for sides in zip(*runs, strict=True))
    pairs = zip(BssScores._fields, runs[0][0][1], runs[0][1][1], strict=True)
    apart = {name: float(np.nanmax(np.abs(a - b))) for name, a, b in pairs}
    return medians(mine), medians(other), apart


def timed(call: Callable[[], BssScores]) -> tuple[Times, BssScores]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    return (time.perf_counter() - wall, time.process_time() - cpu), found


def medians(times: list[Times]) -> Times:
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    return wall, cpu


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
        print(f"{folder.name}, {frames / RATE:.0f} s, {len(truth)} stems; greatest difference in dB {apart}")
        for name, mine, other in zip(("wall", "CPU"), ours, theirs, strict=True):
            print(f"  {name}: ours {mine:.2f} s, museval {other:.2f} s, {other / mine:.1f} times as fast", flush=True)


if __name__ == "__main__":
    main()
