"""--json: the same numbers as the tables, nothing else on stdout."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick_model import with_quick_model

from hearsim.bench import blocks, networks, training
from hearsim.cli import main
from hearsim.cli.output import csv_records
from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.core.latency import Load
from hearsim.live import portaudio
from hearsim.live.portaudio import Choice, Listed
from hearsim.training import comparison
from hearsim.training.comparison import Run as Finished
from hearsim.training.comparison import TrackScore
from hearsim.training.comparison_tables import rows

Run = Callable[..., tuple[Any, str]]
LOAD = Load(11.61, 2.0, 3.0, 4.0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command twice, with --json and without; return what its JSON holds, and the text."""
    noise = (0.1 * np.random.default_rng(0).standard_normal((2, 44100))).astype(np.float32)
    write(tmp_path / "song.wav", Audio(noise, 44100))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[Any, str]:
        printed = []
        for more in (("--json",), ()):
            monkeypatch.setattr(sys, "argv", ["hearsim", *arguments, *more])
            with pytest.raises(SystemExit) as left:
                main()
            assert left.value.code in (0, None)
            printed.append(capsys.readouterr().out)
        return json.loads(printed[0]), printed[1]

    return command


def test_show(run: Run) -> None:
    found, text = run("show", "mild-open")
    assert found["profile"]["listener"]["name"] == "N2" and found["latency"]["total_samples"] > 0
    assert f"{found['fitting']['left']['insertion_gain_db']['65'][4]:.1f}" in text
    assert sum(part["samples"] for part in found["latency"]["parts"]) == found["latency"]["total_samples"]


def test_latency(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hearsim.profile.load.load_profile", with_quick_model)
    found, text = run("latency", "mild-open")
    assert found["measured_samples"] == found["total_samples"]
    assert re.search(rf"live delay +measured +{found['measured_samples']} ", text)
    assert f"notches every {found['vent_comb']['spacing_hz']:.0f} Hz" in text
    assert 0 < found["compute_ms"]["p50"] <= found["compute_ms"]["max"]


def test_score_and_metrics(run: Run) -> None:
    found, text = run("score", "song.wav", "song.wav")
    assert set(found) >= {"metrics", "levels"} and "Of the processed file" in text
    assert {row["name"] for row in run("metrics")[0]} >= {"stoi_vocals"}


def test_models(run: Run) -> None:
    found, text = run("models", "list")
    for row in found:
        assert f"{row['name']}: {row['parameters'] / 1e6:.2f} M parameters" in text


def test_devices(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Listed(3, "Headset [bt] 5 :mouse:", "ALSA", 0, 2, 48000.0, 0.0, 8.7)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(portaudio, "listed", lambda: [device])
    monkeypatch.setattr(portaudio, "choose", lambda *_, **__: Choice(device, None, "it is the default"))
    monkeypatch.setattr(Choice, "refusal", lambda *_: "no")
    found, text = run("devices")
    assert found["chosen"] == 3 and found["devices"][0]["opens_at_44100_hz"] is False
    assert found["devices"][0]["name"] == "Headset [bt] 5 :mouse:"
    assert text.count("Headset [bt] 5 :mouse:") == 2  # in the table and below it: names are no markup


def test_bench(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_blocks(*_: object) -> Iterator[blocks.BlockBench]:
        yield blocks.BlockBench("aid", LOAD, 4.0, 0.25)

    def fake_training() -> Iterator[training.Throughput]:
        yield training.Throughput("tiny", 4, 1.0, "float32", 30.0, 31.0, "one core's time")

    monkeypatch.setattr(blocks, "bench", fake_blocks)
    monkeypatch.setattr(training, "throughput", fake_training)
    monkeypatch.setattr(networks, "THREADS", (1,))
    tiny = {"hs-tasnet-lite-6ms": networks.SYSTEMS["hs-tasnet-lite-6ms"]}
    bench_systems = networks.bench_systems
    monkeypatch.setattr(networks, "bench_systems", lambda _, say: bench_systems(0.05, tiny, say))
    found, text = run("bench", "blocks")
    assert found[0]["load"]["compute_ms"] == {"p50": 2.0, "p99": 3.0, "max": 4.0}
    assert text == "aid: p50 2.000, p99 3.000, max 4.00 of 11.61 ms; 4.0 x real time (25.00 % of real time, median)\n"
    found, text = run("bench", "training")
    assert found[0]["times_real_time"] == 30.0
    assert text == "training tiny, 4 x 1 s, float32: 30.0 x real time (best 31.0) in one core's time\n"
    found, text = run("bench", "networks")
    assert [row["system"] for row in found] == ["hs-tasnet-lite-6ms"]
    assert f"{found[0]['multiply_adds_per_second'] / 1e9:.2f}" in text and "building" not in text


def test_train_compare(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [TrackScore(group="mine", track="a", stems={"vocals": 4.0, "drums": 2.0})]
    finished = [Finished(variant="plain", seed=0, parameters=10, live_ms=23.2, scores=scores)]
    monkeypatch.setattr(comparison, "Variants", lambda spec: spec)
    monkeypatch.setattr(comparison, "run_variants", lambda *_: iter(finished))
    found, text = run("train", "compare", "variants.toml")
    assert found == [
        {
            **{"group": "mine", "variant": "plain", "seed": 0, "parameters": 10, "live_ms": 23.2},
            **{"audio_hours": None, "cpu_hours": None, "vocals_db": 4.0, "drums_db": 2.0, "bass_db": None},
            **{"other_db": None, "overall_db": rows(finished)[0].overall_db},
        }
    ]
    assert "3.00" in text


def test_tables_on_disk_become_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,mean,count,low\nx,0.5,3,\n")
    assert csv_records(tmp_path / "a.csv") == [{"name": "x", "mean": 0.5, "count": 3, "low": None}]
