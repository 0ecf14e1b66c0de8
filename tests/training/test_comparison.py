"""A comparison trains what its file says, scores it on what is kept out, and goes on where it was broken off."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from trees import RATE, noise_song
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.metrics.separation import SdrMeter
from hearsim.music.tracks import read_tracks
from hearsim.separation.models import read_weights
from hearsim.separation.net import STEMS
from hearsim.training import comparison, loop
from hearsim.training.comparison_tables import lines
from hearsim.training.data import read_data
from hearsim.training.loop import train
from hearsim.training.spec import read_spec

BASE = f"""
[model]
name = "tiny"
rate = {RATE}
window = 64
hop = 32
units = 8
bases = 6
bands = 16

[data]
root = "songs"
cache = "CACHE"
held_out = ["song2", "song3"]

[optimizer]
steps = 6
batch = 2
seconds = 0.1
pieces = 2
warm_up = 2
"""
VARIANTS = """
base = "base.toml"
seeds = [1, 5]

[test]
seconds = 1.0
tracks = { one = ["song2"], two = ["song2", "song3"] }

[variants.plain]

[variants.small-gru]
model.memory = "gru"
model.units = 4
data.left_out = ["song1"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for number in range(4):
        noise_song(tmp_path / "songs" / f"song{number}", number)
    (tmp_path / "base.toml").write_text(BASE.replace("CACHE", str(tmp_path / "cache")))
    path = tmp_path / "variants.toml"
    path.write_text(VARIANTS)
    return path


def compare(file: Path, *more: str) -> str:
    run = str(file.parent / "runs")
    result = CliRunner().invoke(app, ["train", "compare", str(file), "--run", run, *more])
    if result.exception is not None:
        raise result.exception
    return result.output


def sentence(file: Path, *more: str) -> str:
    with pytest.raises(HearsimError) as caught:
        compare(file, *more)
    return str(caught.value)


def middle(file: Path, name: str) -> np.ndarray:
    """Return the second in the middle of a song of two, (stems, channels, frames)."""
    tracks = read_tracks(file.parent / "songs", file.parent / "cache", RATE)
    track = next(track for track in tracks if track.name == name)
    return np.stack([track.read(stem, RATE // 2, RATE) for stem in STEMS])


def energy_sdr_db(truth: np.ndarray, estimate: np.ndarray) -> list[float]:
    return [
        float(10 * np.log10(np.square(s).sum() / np.square(s - e).sum())) for s, e in zip(truth, estimate, strict=True)
    ]


def test_a_variant_that_changes_a_source_keeps_the_others(file: Path, tmp_path: Path) -> None:
    teacher = '[data.sources.teacher]\nroot = "a"\nweight = 0.1\nup_to_hz = 900.0\n'
    base = tmp_path / "base.toml"
    base.write_text(f'{base.read_text()}{teacher}[data.sources.voices]\nroot = "b"\nweight = 0.2\n')
    file.write_text(VARIANTS.replace('data.left_out = ["song1"]', "data.sources.voices.weight = 0"))
    data = comparison.Variants(file).specs["small-gru", 1].data
    assert data.all_weights == {"teacher/*": 0.1, "voices/*": 0.0} and data.limits_hz == {"teacher/*": 900.0}
    assert set(data.folders) == {"", "teacher/"}


def test_every_run_is_the_one_that_its_spec_gives_and_scored_on_the_middle(file: Path, tmp_path: Path) -> None:
    said = compare(file, "--table", str(tmp_path / "table.csv"))
    with (tmp_path / "table.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    runs = [("mixture", ""), ("plain", "1"), ("small-gru", "1"), ("plain", "5"), ("small-gru", "5")]
    found = [(row["group"], row["variant"], row["seed"]) for row in rows]
    assert found == [(group, *run) for group in ("one", "two") for run in runs]

    text = (tmp_path / "base.toml").read_text()
    for old, new in (
        ("tiny", "small-gru"),
        ("units = 8", 'units = 4\nmemory = "gru"'),
        ('["song2", "song3"]', '["song2", "song3"]\nleft_out = ["song1"]'),
        ("steps = 6", "seed = 5\nsteps = 6"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "alone.toml").write_text(text)
    alone = train(read_spec(tmp_path / "alone.toml"), tmp_path / "alone")
    compared = load_file(tmp_path / "runs" / "small-gru-5" / "averaged.safetensors")
    for key, tensor in load_file(alone).items():
        assert torch.equal(compared[key], tensor), key

    truths = [middle(file, "song2"), middle(file, "song3")]
    net = read_weights(alone)
    with torch.no_grad():
        estimates = [net(torch.from_numpy(truth.sum(0))[None])[0].numpy() for truth in truths]
    mixtures = [np.stack([truth.sum(0)] * 4) for truth in truths]
    for row, guesses in ((rows[5], mixtures), (rows[9], estimates)):
        expected = np.mean(
            [energy_sdr_db(*pair) for pair in zip(truths, guesses, strict=True)], 0
        )  # median of two is their mean
        assert [float(row[f"{stem}_db"]) for stem in STEMS] == pytest.approx(expected.tolist(), abs=1e-3)
        assert float(row["overall_db"]) == pytest.approx(expected.mean(), abs=1e-3)
    assert rows[0]["vocals_db"] != rows[5]["vocals_db"]
    assert int(rows[9]["parameters"]) == net.parameter_count() and float(rows[9]["live_ms"]) == 8.0
    overall = {(row["group"], row["variant"], row["seed"]): float(row["overall_db"]) for row in rows}
    apart = [abs(overall[g, v, "1"] - overall[g, v, "5"]) for g in ("one", "two") for v in ("plain", "small-gru")]
    assert f"up to {max(apart):.2f} dB apart" in said


def test_what_is_finished_is_not_done_again_and_what_was_broken_off_goes_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, trained = comparison.train, []

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    def breaking(spec, folder, resume, all_tracks):
        trained.append((folder.name, resume))
        if folder.name == "small-gru-1" and not resume:  # in its first step
            with monkeypatch.context() as patch:
                patch.setattr(loop, "loss_of", stopped)
                return original(spec, folder, resume, all_tracks=all_tracks)
        if folder.name == "small-gru-5" and not resume:  # after its last checkpoint, before it is scored
            original(spec, folder, resume, all_tracks=all_tracks)
            raise KeyboardInterrupt
        return original(spec, folder, resume, all_tracks=all_tracks)

    monkeypatch.setattr(comparison, "train", breaking)
    table = tmp_path / "table.csv"
    for _ in range(2):
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            compare(file, "--table", str(table))
    assert len(table.read_text().splitlines()) == 1 + 2 * 4
    compare(file, "--table", str(table))
    assert len(table.read_text().splitlines()) == 1 + 2 * 5
    order = ["plain-1", "small-gru-1", "small-gru-1", "plain-5", "small-gru-5", "small-gru-5"]
    assert trained == [(name, index in (2, 5)) for index, name in enumerate(order)]
    first = table.read_bytes()
    monkeypatch.setattr(comparison, "train", None)
    compare(file, "--table", str(table))
    assert table.read_bytes() == first


def test_runs_of_another_spec_and_damaged_ones_are_sentences(file: Path, tmp_path: Path) -> None:
    file.write_text(VARIANTS.replace("[1, 5]", "[1]"))
    compare(file)
    path = tmp_path / "runs" / "small-gru-1" / "finished.json"
    file.write_text(file.read_text().replace("units = 4", "units = 5"))
    assert "small-gru-1/finished.json is of another spec: model.units is 4 there and 5 here" in sentence(file)
    file.write_text(file.read_text().replace("units = 5", "units = 4").replace("seconds = 1.0", "seconds = 1.5"))
    assert "is of another test: seconds is 1.0 there and 1.5 here" in sentence(file)
    file.write_text(file.read_text().replace("seconds = 1.5", "seconds = 1.0"))
    for damaged in ("no JSON", "[]", json.dumps({**json.loads(path.read_text()), "run": {}})):
        path.write_text(damaged)
        (tmp_path / "runs" / "plain-1" / "finished.json").write_text(damaged)
        assert re.search(r"plain-1/finished\.json .*: delete it, and the run is scored anew", sentence(file))


def test_songs_shorter_than_the_scored_excerpt_are_said(file: Path) -> None:
    file.write_text(VARIANTS.replace("seconds = 1.0", "seconds = 60"))
    variants = comparison.Variants(file)
    with pytest.warns(HearsimWarning) as notes:
        comparison._excerpts(variants, read_data(variants.base.data, RATE))
    assert [str(note.message) for note in notes] == [
        "test.tracks.one: seconds = 60: the track song2 is only 2.0 s long and is taken whole",
        "test.tracks.two: seconds = 60: 2 of 2 tracks are shorter and taken whole, song2 (2.0 s) first",
    ]


def test_bad_files_of_variants_are_sentences(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "can't be read (No such file" in sentence(tmp_path / "none.toml")
    for old, new, said in (
        ('"base.toml"', '"nowhere.toml"', "nowhere.toml can't be read"),
        ("[variants.plain]", "[variants", "is not TOML"),
        ("seeds = [1, 5]", "seeds = []", "seeds"),
        ("seeds = [1, 5]", "seed = 1", "key seed is not known"),
        ("model.units = 4", "model.unit = 4", "variants.small-gru: model the key unit is not known"),
        ("model.units = 4", "optimizer.batch = 0", "variants.small-gru: optimizer.batch = 0"),
        ("model.units = 4", "optimiser.batch = 1", "variants.small-gru: the key optimiser is not known"),
        ("model.units = 4", f"model.rate = {2 * RATE}", "small-gru has a rate of its own"),
        ("model.units = 4", 'data.root = "elsewhere"', "small-gru has tracks of its own"),
        ("model.units = 4", 'data.sources.web.root = "web"', "small-gru has tracks of its own"),
        ('["song1"]', '["song1"]\ndata.held_out = ["song2"]', "song3 is scored, but small-gru trains on it"),
        ('one = ["song2"]', 'one = ["opera"]', "holds no track that fits 'opera' of test.tracks.one"),
    ):
        assert old in VARIANTS
        file.write_text(VARIANTS.replace(old, new))
        assert said in sentence(file), (new, sentence(file))
    assert not (tmp_path / "runs").exists()
    file.write_text(VARIANTS)
    assert "/proc/x/table.csv can't be written" in sentence(file, "--table", "/proc/x/table.csv")
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        assert "start it without torchrun" in sentence(file)
    (tmp_path / "runs").write_text("a file")
    assert "runs/plain-1 can't be written" in sentence(file)


def test_a_stem_that_is_missing_has_no_score_and_the_meter_is_that_of_the_cards(file: Path, tmp_path: Path) -> None:
    for stem in ("bass", "other"):
        (tmp_path / "songs" / "song3" / f"{stem}.wav").unlink()
    file.write_text(VARIANTS.replace('one = ["song2"]', 'one = ["song3"]').replace("[1, 5]", "[1]"))
    compare(file, "--table", str(tmp_path / "table.csv"))
    with (tmp_path / "table.csv").open(newline="") as table:
        mixture = next(csv.DictReader(table))
    assert (mixture["bass_db"], mixture["other_db"]) == ("", "")
    truth = middle(file, "song3")
    for stem, samples in zip(STEMS[:2], truth[:2], strict=True):
        meter = SdrMeter(RATE)
        meter.add(samples, truth.sum(0))
        assert float(mixture[f"{stem}_db"]) == pytest.approx(meter.sdr_db(), abs=1e-4)


def test_a_single_seed_has_no_spread(file: Path, tmp_path: Path) -> None:
    run = comparison.Run(
        variant="plain", seed=1, scores=[comparison.TrackScore(group="one", track="a", stems={"vocals": 1.0})]
    )
    assert "apart (overall)" not in "\n".join(lines([run]))
    other = run.model_copy(update={"seed": 2, "scores": [run.scores[0].model_copy(update={"stems": {"vocals": 1.25}})]})
    assert "up to 0.25 dB apart" in list(lines([run, other]))[-1]
