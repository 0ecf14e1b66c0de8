"""`hearsim bench blocks`: the cost of separator, aid and whole chain on one thread, side by side in one run."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.composites import Delay
from hearsim.core.errors import HearsimError
from hearsim.core.latency import Load, load_of
from hearsim.core.processor import Processor
from hearsim.profile.load import load_profile

ROUNDS = 5
SHORTEST_S, LONGEST_S = 1, 3600


class BlockBench(NamedTuple):
    """The speed of a system: time per block, mean speed re real time, and the median block as a share of real time."""

    name: str
    load: Load
    times_real_time: float
    share_of_real_time: float

    def __str__(self) -> str:
        speed = f"{self.times_real_time:.1f} x real time ({100 * self.share_of_real_time:.2f} % of real time, median)"
        return f"{self.name}: {self.load}; {speed}"


def bench(profile: str, seconds: float) -> Iterator[BlockBench]:
    """Yield the speed of separator, aid and whole chain, measured in interleaved rounds.

    Raises `HearsimError` for less than 1 s, too few blocks for a p99, and for more than an hour.
    """
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise HearsimError(f"--seconds {seconds:g} can't be timed: give {SHORTEST_S} to {LONGEST_S}")
    loaded = load_profile(profile)
    separator = Separator(loaded.model)
    complete = hearing_aid(loaded)
    aid = hearing_aid(loaded, separation=Delay(0))
    systems: dict[str, tuple[Processor, Format]] = {
        f"separator {loaded.model}, block {separator.hop}": (
            separator,
            Format(AID_RATE_HZ, 2, separator.hop),
        ),
        "aid without separator, block 128": (aid, Format(AID_RATE_HZ, 2, 128)),
        f"whole chain, block {loaded.block_samples}": (
            complete,
            Format(AID_RATE_HZ, 2, loaded.block_samples),
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in systems}
    for stage, fmt in systems.values():
        stage.prepare(fmt)
    for _ in range(ROUNDS):
        for name, (stage, fmt) in systems.items():
            times[name] += time_blocks(stage, fmt, int(seconds / ROUNDS * fmt.rate / fmt.block))
    for name, (_, fmt) in systems.items():
        share = float(np.median(times[name])) * fmt.rate / fmt.block
        mean = float(np.mean(times[name])) * fmt.rate / fmt.block
        yield BlockBench(name, load_of(times[name], fmt), 1 / mean, share)


def time_blocks(stage: Processor, fmt: Format, blocks: int) -> list[float]:
    """Return the seconds that a prepared stage takes for each of so many blocks of noise, at -20 dB re full scale."""
    noise = (0.1 * np.random.default_rng(0).standard_normal(fmt.shape)).astype(np.float32)
    times = []
    for _ in range(blocks):
        started = time.perf_counter()
        stage.process(noise)
        times.append(time.perf_counter() - started)
    return times
