"""Where a result comes from, as a report says it."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import hearsim
from hearsim.core.provenance import cpu_name, provenance


def test_version_command_and_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/bin/hearsim", "render", "my song.wav", "--out", "x"])
    before = datetime.now(UTC).replace(microsecond=0)
    found = provenance()
    assert found["command"] == "hearsim render 'my song.wav' --out x"
    assert found["hearsim"] == hearsim.__version__ and found["cores"] >= 1
    assert before <= datetime.fromisoformat(found["date"]) <= datetime.now(UTC)


def test_the_processor_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Example CPU 3000 @ 2 GHz\n")
    assert cpu_name(tmp_path / "cpuinfo") == "Example CPU 3000 @ 2 GHz"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    assert cpu_name(tmp_path / "cpuinfo") and cpu_name(tmp_path / "none")
