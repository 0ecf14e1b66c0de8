"""The one registry of metrics: every table reads it, and a package adds to it from one file."""

import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from packages import install

import hearsim
from hearsim.cli import main
from hearsim.cli.catalogue import LISTS
from hearsim.core.errors import HearsimError
from hearsim.listening_test.excerpts import Excerpt
from hearsim.listening_test.measures import measure
from hearsim.listening_test.stimuli import Stimulus
from hearsim.metrics.registry import METRICS, compute, compute_pair, heard_names, metric, pair_names
from hearsim.report.score import score


def test_every_metric_is_explained() -> None:
    for name, one in METRICS.items():
        assert one.sentence and one.unit, name
        assert one.better in ("higher", "lower", "") and (one.low is None or one.high is None or one.low < one.high)
    assert set(hearsim.metrics.list()) >= set(METRICS)
    assert not {"quality", "fidelity"} & set(METRICS)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(HearsimError, match=r"no metric is called 'estoi_vocal'.*estoi_vocals"):
        metric("estoi_vocal")
    with pytest.raises(HearsimError, match="sdr_db is not a metric of the heard sound"):
        compute("sdr_db", None)


PACKAGE = """
import numpy as np
from hearsim.metrics.metric import Metric

def crest_db(sound):
    return 20 * np.log10(np.abs(sound).max() / np.sqrt(np.mean(np.square(sound, dtype=np.float64))))

crest = Metric(
    "crest factor", "dB", lambda condition: crest_db(condition.heard), of_pair=lambda pair: crest_db(pair.processed)
)

def broken(condition):
    \"\"\"Never there.\"\"\"
    return 1 / 0
"""
STUDY = """
name = "crest"
metrics = ["crest_db", "broken"]
[factors]
listeners = ["N2"]
songs = [{ style = "pop", seconds = 3 }]
mixes = ["flat"]
models = ["oracle"]
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package of one file with two metrics; return a folder to work in."""
    points = "[hearsim.metrics]\ncrest_db = crest_pack:crest\nbroken = crest_pack:broken\nlost = crest_pack:lost\n"
    install(tmp_path, "crest-pack", points, PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("crest_pack", None)


def crest_db(sound: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(sound).max() / np.sqrt(np.mean(np.square(sound, dtype=np.float64)))))


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["hearsim", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code, arguments


def test_a_metric_of_one_file_is_in_experiments(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its value is that of the sound that the same condition gives through Python."""
    (package / "study.toml").write_text(STUDY)
    command(monkeypatch, "experiment", "run", "study.toml", "--out", "run", "--workers", "1")
    rows = {row["metric"]: row for row in csv.DictReader((package / "run/results.csv").open())}
    who = hearsim.Profile("N2", mix="flat", aid="closed")
    truth = hearsim.demo_song(3.0, seed=0)
    result = hearsim.listen(who, hearsim.mixture(truth), truth)
    assert result.score("crest_db") == pytest.approx(crest_db(result.heard.samples), abs=1e-9)
    assert float(rows["crest_db"]["value"]) == pytest.approx(result.score("crest_db"), abs=1e-3)
    assert rows["crest_db"]["unit"] == "dB"
    assert rows["broken"]["value"] == ""
    assert "'broken' (hearsim.metrics) fails (ZeroDivisionError: division by zero)" in rows["broken"]["missing_reason"]


def test_a_metric_of_one_file_is_in_scores_and_lists(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = (0.1 * np.random.default_rng(0).standard_normal((2, 44100))).astype(np.float32)
    for name, samples in (("a.wav", sound), ("b.wav", np.sign(sound) * np.sqrt(np.abs(sound)))):
        hearsim.write(package / name, hearsim.Audio(samples, 44100))
    found = score("a.wav", "b.wav")
    processed = hearsim.read("b.wav").samples
    assert found["metrics"]["crest_db"] == pytest.approx(crest_db(processed), abs=1e-6)
    excerpt = Excerpt("one", hearsim.Audio(sound, 44100), {}, slice(None), {})
    stimuli = [Stimulus(None, "N2", one, (0, 0)) for one in (sound, processed)]  # type: ignore[arg-type]
    metrics = measure(stimuli[1], stimuli[0], excerpt, 100.0)["metrics"]
    assert metrics["crest_db"] == pytest.approx(crest_db(processed), abs=1e-6)
    command(monkeypatch, "metrics")
    text = capsys.readouterr().out
    assert "crest factor" in text and "unit dB" in text
    assert "computed by experiment, result.score, hearsim score, hearsim export" in text
    listed = {row["name"]: str(row.get("computed_by")).split(", ") for row in LISTS["metrics"][1]()}
    held = found["metrics"].keys() | found["levels"]["processed"].keys() & METRICS.keys()
    assert held == {name for name, places in listed.items() if "hearsim score" in places}
    scored = {*heard_names(), *pair_names("reference")} - {"lost"}
    assert {name for name, places in listed.items() if "result.score" in places} == scored
    assert "can't be imported" in text  # the plug-in that is not there, in its own line


def test_bad_plug_ins_are_one_sentence(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "lost" in heard_names()  # so that an experiment gives the reason, not "no metric is called so"
    with pytest.raises(HearsimError, match=r"plug-in 'lost'.*can't be imported"):
        compute("lost", None)  # type: ignore[arg-type]
    module = importlib.import_module("crest_pack")
    monkeypatch.setattr(module, "broken", lambda condition: float("nan"))
    with pytest.raises(HearsimError, match="returns nan: a metric is a finite number"):
        compute("broken", None)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "broken", 7)
    with pytest.raises(HearsimError, match=r"'broken'.* is not a metric: name a Metric, or a function"):
        compute("broken", None)  # type: ignore[arg-type]


def test_units_are_those_of_the_values() -> None:
    """By the name's ending, as all names carry their units, and by range."""
    endings = {"_db_spl": "dB SPL", "_db": "dB", "_dbfs": "dBFS", "_ms": "ms", "_samples": "samples", "lufs": "LUFS"}
    endings["_events"] = "times"
    for name, one in METRICS.items():
        unit = next((unit for ending, unit in endings.items() if name.endswith(ending)), "0–1")
        assert one.unit == unit, name
        assert (one.low, one.high) == (0.0, 1.0) or unit != "0–1", name
        assert one.label, name
    assert METRICS["sii"].digits == 3 and METRICS["csdr_db"].digits == 1 and METRICS["mpo_events"].digits == 0


def test_each_command_computes_its_own() -> None:
    assert pair_names("reference") == ["stoi", "estoi", "si_sdr_db", "csdr_db", "energy_sdr_db"]
    assert pair_names("reference", "stems")[:2] == ["stoi_vocals", "estoi_vocals"]
    with pytest.raises(HearsimError, match="live_delay_ms is not a metric of a sound and its reference"):
        compute_pair("live_delay_ms", None)  # type: ignore[arg-type]
