"""Networks and stages of one's own in a profile: by object, by folder, and by the entry points of another package."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import TINY, quick_profile, tiny_net
from packages import install

import hearsim as hs
from hearsim.core.networks import own_network
from hearsim.core.processor import find
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.models import load_model, save_model

SEPARATOR = """
from cases import tiny_net
def make():
    return tiny_net(seed=3)
def wrong():
    return 7
def broken():
    raise KeyError("weights")
"""
STAGE = """
import numpy as np
import hearsim
class Softer(hearsim.Processor):
    def __init__(self, profile):
        self.factor = np.float32(0.25 if profile.listener.name == "normal" else 1.0)
    def process(self, block):
        return self.factor * block
"""
NOISE = 0.01 * np.random.default_rng(0).standard_normal((2, 3000))


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages as pip leaves them."""
    points = {
        "own-nets": (
            "[hearsim.separators]\nmine = own_nets:make\nwrong = own_nets:wrong\nbroken = own_nets:broken\n",
            SEPARATOR,
        ),
        "own-stages": ("[hearsim.stages]\nsofter = own_stages:Softer\nnumber = builtins:int\n", STAGE),
    }
    for package, (entry_points, code) in points.items():
        install(tmp_path, package, entry_points, code)
    monkeypatch.syspath_prepend(str(tmp_path))
    own_network.cache_clear()
    return tmp_path


def test_a_model_is_a_name_a_folder_or_a_network(site: Path) -> None:
    """All four ways give the same samples."""
    save_model(tiny_net(seed=3), "mine", "", site / "folder")
    expected = None
    for model in (tiny_net(seed=3), site / "folder", str(site / "folder"), "mine"):
        profile = hs.Profile("N3", mix={"vocals": 6}, model=model)
        assert profile.block_samples == TINY.hop
        y = hs.hearing_aid(profile)(NOISE)
        expected = y if expected is None else expected
        np.testing.assert_array_equal(y, expected)
    (site / "own.toml").write_text('listener = "N3"\nmix = "flat"\naid = "closed"\nrig = "aid"\nmodel = "mine"\n')
    assert hs.load_profile(site / "own.toml").model == "mine"


def test_what_is_no_model_is_refused() -> None:
    for wrong in (7, None, HSTasNet, torch.nn.Linear(2, 2)):
        with pytest.raises(
            hs.HearsimError, match=r"Profile: model = .*give a model's name, its folder, or a SeparatorNet"
        ):
            hs.Profile("N3", model=wrong)
    with pytest.raises(hs.HearsimError, match="the plug-in 'wrong' must return a SeparatorNet, not 7: derive"):
        hs.separate(hs.Audio(np.zeros((2, 99), np.float32), 44100), "wrong")
    with pytest.raises(
        hs.HearsimError, match=r"the plug-in 'broken' \(hearsim.separators\) fails \(KeyError: 'weights'\)"
    ):
        hs.Profile("N3", model="broken").block_samples  # noqa: B018
    with pytest.raises(hs.HearsimError, match="no model is called 'no-such'"):
        hs.hearing_aid(hs.Profile("N3", model="no-such"))


def test_a_profile_with_a_network_is_pickled_but_has_no_json() -> None:
    profile = quick_profile("flat")
    assert pickle.loads(pickle.dumps(profile)).block_samples == TINY.hop
    for dump in (profile.model_dump_json, lambda: profile.model_dump(mode="json")):
        with pytest.raises(hs.HearsimError, match=r"is a network \(HSTasNet\), which a file can't name: save it with"):
            dump()


def test_a_network_of_an_own_architecture_is_not_saved(tmp_path: Path) -> None:
    class OwnConfig(HSTasNetConfig):
        pass

    net = tiny_net()
    net.config = OwnConfig(**TINY.model_dump())
    with pytest.raises(
        hs.HearsimError, match=r"OwnConfig is the configuration of none of hs-tasnet.*hearsim.separators"
    ):
        save_model(net, "own", "", tmp_path / "own")
    assert not (tmp_path / "own").exists()
    save_model(tiny_net(), "own", "", tmp_path / "own")
    assert load_model(tmp_path / "own")[0].hop == TINY.hop


def test_a_stage_of_another_package_stands_before_the_limiter() -> None:
    """It gets the profile, and a quarter of the sound is left."""
    profile = quick_profile("flat")
    own = profile.model_copy(update={"aid": hs.Aid(**{**profile.aid.model_dump(), "stages": ("softer",)})})
    aid = hs.hearing_aid(own)
    assert [stage.name for stage in aid.stages[2:5]] == ["Compensation", "Softer", "MPO limiter"]
    np.testing.assert_allclose(aid(NOISE), 0.25 * hs.hearing_aid(profile)(NOISE), rtol=1e-6)
    assert find(aid, hs.Processor) is aid
    with pytest.raises(
        hs.HearsimError, match=r"stages.*= 'softe' is not a stage of an installed package: did you mean"
    ):
        hs.Aid(**{**profile.aid.model_dump(), "stages": ("softe",)})
