"""The counted cost of a step against the arithmetic on paper, and the benchmark of systems."""

import csv
from pathlib import Path

import pytest

from hearsim.bench.cost import step_cost
from hearsim.bench.networks import COLUMNS, bench_systems, lines, write_table
from hearsim.core.errors import HearsimError
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.registry import build
from hearsim.separation.tasnet import TasNetConfig
from hearsim.separation.x_umx import XUmxConfig

TASNET = TasNetConfig(window=128, hop=64, bases=24, units=16, layers=2)
X_UMX = XUmxConfig(window=128, hop=64, units=16, layers=2)
LITE = HSTasNetConfig(window=128, hop=16, units=16, layers=1, bases=12, fusion="shared", bands=24)


def test_tasnet() -> None:
    encoder, decoder = 256 * 48, 24 * 256
    memory = (24 + 16) * 64 + (16 + 16) * 64 + 24 * 16  # two layers and the linear skip
    weights = encoder + memory + 16 * 96 + decoder
    vectors = 2 * 64 + 16 + 2 * 24 + 16 + 96  # biases (an LSTM's two are summed), norms
    cost = step_cost(build(TASNET))
    assert cost.multiply_adds == weights + 3 * decoder  # the decoder runs for four stems
    assert cost.weight_bytes == 4 * (weights + vectors + 2 * 128)  # and two windows


def test_x_umx() -> None:
    bins = 65
    stem = 2 * bins * 16 + 2 * 32 * 64 + 32 * 16 + 16 * 2 * bins
    assert step_cost(build(X_UMX)).multiply_adds == 4 * stem


def test_a_short_tail_reads_little_of_the_decoder() -> None:
    """Of 128 samples of a filter the last 32 leave the overlap-add."""
    short = step_cost(build(LITE))
    whole = step_cost(build(LITE.model_copy(update={"hop": 64})))
    left_out = 2 * 12 * (128 - 32)
    assert whole.multiply_adds - short.multiply_adds == 4 * left_out
    assert whole.weight_bytes - short.weight_bytes >= 4 * left_out


def test_benchmark_of_systems(tmp_path: Path) -> None:
    said: list[str] = []
    found = bench_systems(0.05, {"one": TASNET, "two": LITE}, said.append)
    assert said[:3] == ["building one", "building two", "timing one, round 1 of 5"] and len(said) == 2 + 2 * 5
    assert [len(line.split()) for line in lines(found)][1:] == [10, 10]
    write_table(tmp_path / "bench.csv", found)
    with (tmp_path / "bench.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["system"], row["threads"]) for row in rows] == [("one", "1"), ("one", "2"), ("two", "1"), ("two", "2")]
    for row, config in zip(rows[::2], (TASNET, LITE), strict=True):
        assert int(row["multiply_adds_per_hop"]) == step_cost(build(config)).multiply_adds
        assert float(row["live_ms"]) == pytest.approx(config.live_ms, abs=1e-3)
        assert 0 < float(row["p50_ms"]) <= float(row["p99_ms"]) <= float(row["max_ms"])
    for seconds in (0.001, float("nan"), float("inf")):
        with pytest.raises(HearsimError, match="can't be timed: give 1 to 3600"):
            bench_systems(seconds, {"one": TASNET})
