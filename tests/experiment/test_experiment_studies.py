"""The studies that ship: their expected results are those of their specs, and come out again."""

import csv
from pathlib import Path

import pytest

from hearsim.experiment.cell import run_cell
from hearsim.experiment.plan import cells_of
from hearsim.experiment.spec import FACTORS, read_study

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STUDIES = ("vocals-up", "model-latency", "separation-quality-needed", "listeners")


def expected(name: str) -> dict[tuple[str, ...], float]:
    with (EXPERIMENTS / name / "expected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not [row for row in rows if not row["metric"]]  # no cell failed
    return {(*(row[factor] for factor in FACTORS), row["metric"]): float(row["value"]) for row in rows if row["value"]}


@pytest.mark.parametrize("name", STUDIES)
def test_expected_results_are_those_of_the_spec(name: str) -> None:
    study = read_study(EXPERIMENTS / name / "experiment.toml")
    planned = {(*cell.names, metric) for cell in cells_of(study) for metric in study.metrics}
    found = set(expected(name))
    assert found <= planned
    assert {names[:-1] for names in found} == {names[:-1] for names in planned}
    with (EXPERIMENTS / name / "expected.csv").open(newline="") as file:
        keys = {row["cell"] for row in csv.DictReader(file)}
    assert keys == {cell.key[:12] for cell in cells_of(study)}, "a model has changed since: run the study again"
    text = (EXPERIMENTS / name / "README.md").read_text()
    assert all(word in text for word in ("**Question.**", "figure.svg", "**Limits.**"))
    assert (EXPERIMENTS / name / "figure.svg").read_text().startswith("<?xml")


def test_an_expected_result_comes_out_again(tmp_path: Path) -> None:
    """Without a model, whose weights may change."""
    study = read_study(EXPERIMENTS / "listeners" / "experiment.toml")
    cell = next(cell for cell in cells_of(study) if not cell.aided and cell.names[0] == "N3")
    record = run_cell(cell, tmp_path)
    known = expected("listeners")
    assert record.error == "" and len(record.values) == 2
    for value in record.values:
        assert value.value == pytest.approx(known[*cell.names, value.metric], abs=0.002)
