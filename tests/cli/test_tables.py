"""The tables of the terminal hold the numbers of their results, each in its place."""

from typing import Any

from rich.table import Table

from hearsim.cli import tables
from hearsim.core.latency import LatencyEntry, LatencyLedger, Load, latency_json


def rows_of(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_gains_of_unlike_ears_stand_in_their_rows() -> None:
    gains = {"left": {"50": [1.0, 2.0], "65": [3.0, -0.01]}, "right": {"50": [5.0, 6.0], "65": [7.0, 8.0]}}
    table = tables.fitting({
        ear: {"frequencies_hz": [500.0, 1000.0], "insertion_gain_db": levels} for ear, levels in gains.items()
    })  # fmt: skip
    assert rows_of(table) == [
        ["left", "50 dB SPL", "1.0", "2.0"],
        ["right", "50 dB SPL", "5.0", "6.0"],
        ["left", "65 dB SPL", "3.0", "0.0"],
        ["right", "65 dB SPL", "7.0", "8.0"],
    ]


def test_levels_of_both_files_stand_side_by_side() -> None:
    found: dict[str, Any] = {
        "metrics": {"stoi": 0.5, "si_sdr_db": None},
        "unavailable": {"si_sdr_db": "the reference is silent"},
        "levels": {
            "reference": {"lufs": -20.0, "rms_dbfs": {"left": -21.0, "right": -22.0}},
            "processed": {"lufs": -10.0, "rms_dbfs": {"left": -11.0, "right": -12.0}},
        },
    }
    scores, levels = tables.score(found)
    assert rows_of(scores) == [["stoi", "0.500"], ["si_sdr_db: not computed", "the reference is silent"]]
    assert rows_of(levels) == [
        ["lufs", "-20.00", "-10.00"],
        ["rms_dbfs left", "-21.00", "-11.00"],
        ["rms_dbfs right", "-22.00", "-12.00"],
    ]


def test_the_load_is_that_of_the_99th_percentile() -> None:
    ledger = LatencyLedger(44100, (LatencyEntry("input block of 441", 441, "buffering"),))
    text = tables.latency(latency_json(ledger, Load(10.0, 1.0, 4.0, 9.0)))
    load = "p50 1.000, p99 4.000, max 9.00 of 10.00 ms; load (p99 / deadline) 40 % (other jobs"
    assert load in text


def test_the_verdict_on_the_aids_own_way_of_listening_is_marked() -> None:
    ledger = LatencyLedger(44100, (LatencyEntry("input block of 441", 441, "buffering"),))
    load = Load(10.0, 1.0, 4.0, 9.0)
    for own in ("closed dome", "open dome"):
        lines = tables.latency(latency_json(ledger, load, own)).splitlines()
        assert [line.partition(":")[0] for line in lines if "(this aid)" in line] == [f"{own} (this aid)"]
    older = {key: value for key, value in latency_json(ledger, load).items() if key != "scenario"}
    assert "this aid" not in tables.latency(older)


def test_a_comparison_shows_first_second_their_difference_and_what_changed() -> None:
    row = {"key": "stoi", "values": [0.5, 0.75], "difference": 0.25}
    found = {"runs": ["a", "b"], "settings": [{"key": "mix.vocals", "values": ["muted", 6.0]}], "latency": [row]}
    same = {"key": "sii", "values": [0.2504, 0.2501], "difference": -0.0003}
    gone = {"key": "lufs", "values": [None, 1.0], "difference": None}
    settings, latency, metrics = tables.comparison({**found, "metrics": [row, same, gone]})
    assert rows_of(settings) == [["mix.vocals", "muted", "6"]]
    assert rows_of(latency) == [["stoi", "0.50", "0.75", "≠ +0.25"]]
    assert rows_of(metrics) == [
        ["stoi", "0.500", "0.750", "≠ +0.250"],
        ["sii", "0.250", "0.250", "0.000"],
        ["lufs", "–", "1.000", "≠ –"],
    ]
    assert [(one.title, one.columns[0].header) for one in (latency, metrics)] == [
        ("Latency, ms (≠: differs in the figures shown)", "part"),
        ("Metrics (≠: differs in the figures shown)", "metric"),
    ]
