"""Networks of one's own beside the shipped ones: in a study, a profile and an aid."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.errors import HearsimError
from hearsim.core.files import model_hop
from hearsim.core.networks import own_network
from hearsim.core.processor import render
from hearsim.experiment.plan import cells_of
from hearsim.experiment.run import Where, run
from hearsim.experiment.spec import read_study
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile
from hearsim.profile.schema import Profile
from hearsim.separation.models import load_network, network_sha256

NET = """
import random
import torch
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig

SIZES = dict(hop=128, units=16, layers=1, bases=16, fusion="shared", bands=32)
WEIGHTS = {weights}

class Quiet(HSTasNet):
    def estimate_masks(self, frames, recurrent_states):
        return super().estimate_masks(frames, recurrent_states)

def make():
    torch.manual_seed(WEIGHTS)
    return Quiet(HSTasNetConfig(**SIZES))

def unseeded():
    return HSTasNet(HSTasNetConfig(**SIZES))

def clock():
    torch.manual_seed(random.SystemRandom().getrandbits(32))
    return HSTasNet(HSTasNetConfig(**SIZES))

def three():
    return HSTasNet(HSTasNetConfig(**SIZES, stems=("vocals", "drums", "rest")))

def slow():
    return HSTasNet(HSTasNetConfig(**SIZES, rate=48000))

def broken():
    raise ValueError("no weights")

made = make()
number = 3
"""
SPEC = """
name = "own"
metrics = ["stems_csdr_db", "live_delay_ms"]
[factors]
listeners = ["N2"]
songs = [{ style = "pop", seconds = 3 }]
models = ["mynet:make", { name = "shipped", model = "hs-tasnet-lite-6ms" }]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "mynet.py").write_text(NET.replace("{weights}", "1"))
    path = tmp_path / "experiment.toml"
    path.write_text(SPEC)
    return path


def rows(folder: Path) -> dict[tuple[str, str], float]:
    with (folder / "results.csv").open(newline="") as file:
        return {(row["model"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}


def test_a_study_compares_an_own_network_with_a_shipped_one(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In other processes, that start elsewhere, it is the same; what it is late is counted."""
    study = read_study(spec)
    monkeypatch.chdir("/")
    done = run(study, cells_of(study), tmp_path / "two", Where(workers=2))
    assert done[:3] == (2, 0, 0)
    found = rows(done.folder)
    assert found["mynet:make", "stems_csdr_db"] < found["shipped", "stems_csdr_db"]
    assert found["mynet:make", "live_delay_ms"] == found["shipped", "live_delay_ms"]
    own_network.cache_clear()
    assert rows(run(study, cells_of(study), tmp_path / "one", Where(workers=1)).folder) == found


def test_the_key_is_that_of_the_weights(spec: Path) -> None:
    def key() -> str:
        own_network.cache_clear()
        return next(cell.key for cell in cells_of(read_study(spec)) if cell.names[-1] == "mynet:make")

    first = key()
    assert key() == first
    spec.write_text(SPEC.replace('"mynet:make"', '{ name = "mynet:make", model = "mynet.py:made" }'))
    assert key() == first  # the same network by another name
    other = spec.parent / "later"
    other.mkdir()
    (other / "mynet.py").write_text(NET.replace("{weights}", "2"))
    (other / "experiment.toml").write_text(SPEC)
    assert next(iter(cells_of(read_study(other / "experiment.toml")))).key != first


def test_weights_without_a_seed_are_the_same_every_time(spec: Path) -> None:
    spec.write_text(SPEC.replace("mynet:make", "mynet:unseeded"))
    keys = set()
    for _ in range(2):
        own_network.cache_clear()
        keys |= {cell.key for cell in cells_of(read_study(spec))}
    assert len(keys) == 2


def test_weights_that_differ_each_time_are_refused(spec: Path, tmp_path: Path) -> None:
    spec.write_text(SPEC.replace("mynet:make", "mynet:clock"))
    study = read_study(spec)
    cells = cells_of(study)
    done = run(study, cells, tmp_path / "run", Where(workers=2))
    assert done.failed == 1
    assert "has other weights each time it is made: seed them" in (done.folder / "results.csv").read_text()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("mynet:mak", "can't be made (AttributeError: module"),
        ("nonet:make", "can't be made (ModuleNotFoundError: No module named 'nonet')"),
        ("no/net.py:make", "there is no file"),
        ("mynet:broken", "can't be made (ValueError: no weights)"),
        ("mynet:number", "a SeparatorNet"),
        ("mynet:three", "has stems = ('vocals', 'drums', 'rest'), and a study takes"),
        ("mynet:slow", "has rate = 48000, and a study takes 44100 alone"),
        ("mynet", "no model is called 'mynet'"),
    ],
)
def test_networks_that_no_study_can_take_are_one_sentence(spec: Path, model: str, words: str) -> None:
    spec.write_text(SPEC.replace("mynet:make", model))
    with pytest.raises(HearsimError) as caught:
        read_study(spec)
    assert words in str(caught.value) and str(spec) in str(caught.value) and "\n" not in str(caught.value)


def test_a_profile_takes_a_name_or_the_network_itself(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = f"{spec.parent}/mynet.py:make"
    net = own_network(file)
    song = mixture(demo_song(3.0))
    by_name, itself = Profile("N3", {"vocals": 6}, model=file), Profile("N3", {"vocals": 6}, model=net)
    assert by_name.block_samples == itself.block_samples == model_hop(net) == 128
    heard = [render(hearing_aid(one), song).samples for one in (by_name, itself)]
    np.testing.assert_array_equal(heard[0], heard[1])
    assert not np.array_equal(heard[0], render(hearing_aid(Profile("N3", {"vocals": 6})), song).samples)
    table = 'listener = "N3"\nmix = "vocals-up"\naid = "closed"\nrig = "aid"\nmodel = "mynet:make"\n'
    (spec.parent / "mine.toml").write_text(table)
    monkeypatch.chdir("/")
    assert load_profile(spec.parent / "mine.toml").model == file
    assert network_sha256(net) == network_sha256(load_network(f"{spec.parent}/mynet.py:made")[0])
    with pytest.raises(HearsimError, match="model = 3: give a model's name, its folder, or a SeparatorNet"):
        Profile("N3", model=3)
