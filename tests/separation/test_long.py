"""Twenty minutes of streaming change nothing: the last minute scores as the first, and no more cells saturate.

Both minutes follow upon the same song. What was heard before does change a minute's score: of hs-tasnet-lite-6ms, one
song's bass has 2.64 dB from silence and after itself, and 2.89 after another song, in the fifth minute as in the tenth.

A cell of an LSTM that always pushes one way grows for as long as it is played to (in the first hs-tasnet-lite from
3 800 in the first minute to 44 700 after an hour). It has become a constant, which does no harm; what must not happen
is that cells which carry something join it.
"""

from typing import NamedTuple

import pytest

from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.files import model_names
from hearsim.metrics.separation import SdrMeter
from hearsim.music.demo_song import demo_song, mixture
from hearsim.separation.net import STEMS

RATE = 44100
FRAMES = 60 * RATE // 512 * 512  # of a song: whole hops
SEEDS = range(5)  # songs that are played over and over
SATURATED = 10.0  # tanh is 1 to eight digits


class Minute(NamedTuple):
    seed: int
    sdr_db: dict[str, float]
    saturated: int
    cells: int


def stream(name: str, minutes: int) -> list[Minute]:
    """Play songs without a pause through one separator: the last one, then all in turn, for one more than `minutes`."""
    songs = [demo_song(FRAMES / RATE, RATE, seed) for seed in SEEDS]
    order = [minute % len(SEEDS) for minute in range(-1, minutes + 1)]
    separator = Separator(name)
    hop = separator.hop
    separator.prepare(Format(RATE, 2, hop))
    found = []
    for seed in order:
        sound, late = mixture(songs[seed]).samples, separator.latency
        meters = [SdrMeter(RATE) for _ in STEMS]
        saturated = cells = 0
        for start in range(0, FRAMES, hop):
            estimates = separator.process(sound[:, start : start + hop])
            if start >= late:
                truth = songs[seed].samples[..., start - late : start - late + hop]
                for meter, stem, estimate in zip(meters, truth, estimates, strict=True):
                    meter.add(stem, estimate)
            if start == FRAMES // 1024 * 512:  # in the middle of the song
                states = [state[:, 1] for state in separator._step._state[2:] if state.shape[1] == 2]
                saturated = sum(int((cell.abs() > SATURATED).sum()) for cell in states)
                cells = sum(cell.numel() for cell in states)
        scores = {stem: meter.sdr_db() for stem, meter in zip(STEMS, meters, strict=True)}
        found.append(Minute(seed, scores, saturated, cells))
    assert separator.non_finite_blocks == 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_twenty_minutes_change_nothing(name: str) -> None:
    _, first, *_, before, last = minutes = stream(name, 20)
    assert first.seed == last.seed and minutes[0].seed == before.seed
    for stem in STEMS:
        assert last.sdr_db[stem] == pytest.approx(first.sdr_db[stem], abs=0.2)
    assert last.saturated <= first.saturated + 0.01 * last.cells
