"""Speeds from times that are known: by a clock that the tests move, blocks and steps of lengths of their own."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from cases import TINY, quick_profile

from hearsim.aid.separator import Separator
from hearsim.bench import blocks, networks, training
from hearsim.core.audio import Format
from hearsim.core.processor import Processor


@dataclass
class Timed:
    """Takes the place of `time_blocks`: most blocks last `usual` seconds, every tenth five times as long."""

    usual: float
    calls: list[tuple[int, int]] = field(default_factory=list)  # block, number of blocks
    threads: list[int] = field(default_factory=list)

    def __call__(self, stage: Processor, fmt: Format, count: int) -> list[float]:
        self.calls.append((fmt.block, count))
        if isinstance(stage, Separator):
            self.threads.append(stage.threads)
        return [self.usual * (5 if index % 10 == 9 else 1) for index in range(count)]


def test_the_speed_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1 ms and, a tenth of them, of 5 ms: 1.4 ms on average, 1 ms in the median."""
    timed = Timed(1e-3)
    monkeypatch.setattr(blocks, "time_blocks", timed)
    monkeypatch.setattr(blocks, "load_profile", quick_profile)
    found = list(blocks.bench("flat", 100.0))
    assert [int(one.name.rsplit(" ", 1)[1]) for one in found] == [64, 128, 64]
    for one in found:
        length_s = int(one.name.rsplit(" ", 1)[1]) / 44100
        assert one.times_real_time == pytest.approx(length_s / 1.4e-3, rel=0.01)
        assert one.share_of_real_time == pytest.approx(1e-3 / length_s)
        assert (one.load.p50_ms, one.load.max_ms) == pytest.approx((1.0, 5.0))
    assert len(timed.calls) == 3 * blocks.ROUNDS
    for block, count in timed.calls:
        assert block * count == pytest.approx(100 / blocks.ROUNDS * 44100, rel=0.001)


def test_the_times_of_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the thread counts that the rows name, without the blocks that warm up."""
    timed = Timed(1e-3)

    def slow_at_first(stage: Processor, fmt: Format, count: int) -> list[float]:
        times = timed(stage, fmt, count)
        return [1.0] * networks.WARM_UP + [1e-3 * timed.threads[-1]] * (len(times) - networks.WARM_UP)

    monkeypatch.setattr(networks, "time_blocks", slow_at_first)
    (found,) = networks.bench_systems(0.5, {"tiny": TINY})
    assert {threads: load.max_ms for threads, load in found.loads.items()} == pytest.approx({1: 1.0, 2: 2.0})
    assert timed.threads == [1, 2] * networks.ROUNDS
    assert found.multiply_adds_per_second == pytest.approx(found.cost.multiply_adds * 44100 / 64)


def test_the_speed_of_training_is_the_median_of_rounds_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, lengths_s = [0.0], iter([100.0, 1.0, 2.0, 4.0, 8.0, 16.0])

    def step() -> None:
        clock[0] += next(lengths_s)

    def times() -> Iterator[float]:
        while True:
            yield clock[0]

    now = times()
    monkeypatch.setattr(training, "RUNS", training.RUNS[:1])
    monkeypatch.setattr(training, "_step_of", lambda *_: (step, 32.0))
    monkeypatch.setattr(training.time, "thread_time", lambda: next(now))
    (found,) = training.throughput()
    assert (found.times_real_time, found.best_times_real_time) == (8.0, 32.0)
    assert (found.system, found.examples, found.precision) == ("hs-tasnet-lite", 4, "float32")
