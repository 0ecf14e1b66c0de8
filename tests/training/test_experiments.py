"""The folders of the paper's experiments: their files can be read, and the tables that ship are of these files."""

import csv
from pathlib import Path

import pytest

from hearsim.separation.registry import SYSTEMS, build
from hearsim.training.comparison import Variants
from hearsim.training.comparison_tables import COLUMNS

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FILES = sorted(EXPERIMENTS.glob("*/variants.toml"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", FILES, ids=[path.parent.name for path in FILES])
def test_the_expected_table_is_that_of_the_variants(path: Path) -> None:
    variants = Variants(path)
    rows = rows_of(path.parent / "expected.csv")
    assert tuple(rows[0]) == COLUMNS
    for group in variants.test.tracks:
        found = [row for row in rows if row["group"] == group]
        assert [row["variant"] for row in found].count("mixture") == 1
        runs = [(row["variant"], int(row["seed"])) for row in found if row["seed"]]
        assert set(runs) <= set(variants.specs) and len(runs) == len(set(runs))
        assert {name for name, _ in runs} == {name for name, _ in variants.specs}
        for row, run in zip([row for row in found if row["seed"]], runs, strict=True):
            config = variants.specs[run].model.config("")
            assert int(row["parameters"]) == build(config).parameter_count()
            assert float(row["live_ms"]) == pytest.approx(config.live_ms, abs=1e-3)


def test_all_variants_hear_equally_much() -> None:
    for path in FILES:
        for spec in Variants(path).specs.values():
            optim, net = spec.optimizer, spec.model.config("")
            piece = round(optim.seconds * net.rate / net.hop) * net.hop
            assert (piece, optim.steps * optim.batch) == (45056, 880), path


def test_the_hybrid_and_its_branches_are_of_one_size() -> None:
    specs = Variants(EXPERIMENTS / "hybrid-spectrogram-waveform" / "variants.toml").specs
    sizes = [build(spec.model.config("")).parameter_count() for spec in specs.values()]
    assert max(sizes) / min(sizes) < 1.02


def test_the_table_of_costs_has_all_systems_on_one_thread_and_on_two() -> None:
    rows = rows_of(EXPERIMENTS / "compute" / "expected.csv")
    assert {(row["system"], row["threads"]) for row in rows} == {(name, n) for name in SYSTEMS for n in "12"}
    for row in rows:
        assert int(row["parameters"]) == build(SYSTEMS[row["system"]]).parameter_count()
