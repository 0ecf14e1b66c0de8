"""The one registry of metrics: every table reads it, and a package adds to it from one file."""

import sys
from pathlib import Path

import pytest

import hearsim
from hearsim.core.errors import HearsimError
from hearsim.listening_test import measures
from hearsim.metrics.registry import METRICS, compute, heard_names, metric, names


def test_every_metric_is_explained() -> None:
    for name, one in METRICS.items():
        assert one.sentence and one.unit, name
        assert one.better in ("higher", "lower", "") and (one.low is None or one.high is None or one.low < one.high)
    assert set(hearsim.metrics.list()) >= set(METRICS)
    assert set(measures.METRICS) <= set(METRICS)
    assert not {"quality", "fidelity"} & set(METRICS)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(HearsimError, match=r"no metric is called 'estoi_vocal'.*estoi_vocals"):
        metric("estoi_vocal")
    with pytest.raises(HearsimError, match="sdr_db is no metric of what is heard"):
        compute("sdr_db", None)


def test_a_package_adds_a_metric_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ear_pack.py").write_text('def loud(condition):\n    """How loud it is."""\n    return condition\n')
    info = tmp_path / "ear_pack-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ear-pack\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hearsim.metrics]\nloud = ear_pack:loud\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "loud" in names() and "loud" in heard_names()
    assert hearsim.metrics.list()["loud"] == "How loud it is."
    assert compute("loud", 7) == 7.0
    sys.modules.pop("ear_pack")
