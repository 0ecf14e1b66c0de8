"""Twenty minutes of streaming change nothing: the last minute scores as the first, and no state grows."""

from typing import NamedTuple

import numpy as np
import pytest

from hearsim.audio import Format
from hearsim.demo_song import STEMS, demo_song, mixture
from hearsim.metrics.separation import SdrMeter
from hearsim.separation.model import model_names
from hearsim.separation.stage import Separator

RATE = 44100
FRAMES = 60 * RATE // 512 * 512  # of a song: whole hops
SEEDS = range(5)  # songs that are played over and over


class Minute(NamedTuple):
    seed: int
    sdr_db: dict[str, float]
    largest_state: float


def stream(name: str, minutes: int) -> list[Minute]:
    """Play songs without a pause through one separator, the first song again at the end."""
    songs = [demo_song(FRAMES / RATE, RATE, seed) for seed in SEEDS]
    order = [minute % len(SEEDS) for minute in range(minutes - 1)] + [0]
    separator = Separator(name)
    hop = separator.hop
    separator.prepare(Format(RATE, 2, hop))
    found = []
    for seed in order:
        sound, late = mixture(songs[seed]).samples, separator.latency
        meters = [SdrMeter(RATE) for _ in STEMS]
        largest = 0.0
        for start in range(0, FRAMES, hop):
            estimates = separator.process(sound[:, start : start + hop])
            if start >= late:
                truth = songs[seed].samples[..., start - late : start - late + hop]
                for meter, stem, estimate in zip(meters, truth, estimates, strict=True):
                    meter.add(stem, estimate)
            largest = max(largest, *(float(state.abs().max()) for state in separator._step._state[2:]))
        scores = {stem: meter.sdr_db() for stem, meter in zip(STEMS, meters, strict=True)}
        found.append(Minute(seed, scores, largest))
    assert separator.non_finite_blocks == 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_twenty_minutes_change_nothing(name: str) -> None:
    minutes = stream(name, 20)
    first, last = minutes[0], minutes[-1]
    assert first.seed == last.seed
    for stem in STEMS:
        assert last.sdr_db[stem] == pytest.approx(first.sdr_db[stem], abs=0.2)
    early = max(minute.largest_state for minute in minutes[: len(SEEDS)])
    assert max(minute.largest_state for minute in minutes) <= 1.1 * early  # every song was heard in the early minutes
    assert np.isfinite(early)
