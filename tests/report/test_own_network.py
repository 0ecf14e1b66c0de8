"""A profile whose model is a network object: rendered, reported, and refused by a live session in one sentence."""

from pathlib import Path

import pytest
from cases import TINY, quick_profile, tiny_net

from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.core.errors import HearsimError
from hearsim.live.session import Session
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.schema import Profile
from hearsim.report.run import render_song
from hearsim.separation.hs_tasnet import HSTasNet
from hearsim.separation.models import network_sha256
from hearsim.simulation.listening import listen

LONG_HOPS = TINY.model_copy(update={"window": 1024, "hop": 512})  # quicker


@pytest.fixture
def stems() -> Audio:
    """A second of the built-in song."""
    stems = demo_song(3.0)
    return Audio(stems.samples[..., :44100], stems.rate)


def test_the_report_names_the_network(stems: Audio, tmp_path: Path) -> None:
    write(tmp_path / "song.wav", mixture(stems))
    profile = Profile("N3", mix={"vocals": 6}, model=tiny_net(LONG_HOPS))
    model = render_song(tmp_path / "song.wav", profile, tmp_path / "out")["model"]
    parameters = sum(tensor.numel() for tensor in tiny_net(LONG_HOPS).parameters())
    assert (model["name"], model["parameters"]) == ("HSTasNet", parameters)
    assert model["sha256"] == network_sha256(tiny_net(LONG_HOPS)) != network_sha256(tiny_net(LONG_HOPS, seed=1))
    assert model["sha256"] in (tmp_path / "out" / "report.html").read_text()


def test_listen_takes_it(stems: Audio) -> None:
    assert listen(quick_profile("flat"), mixture(stems), stems).heard.seconds == pytest.approx(1.0)


def test_a_live_session_refuses_it() -> None:
    words = r"is a network \(HSTasNet\), which a file can't name: save it with .*, and give its folder$"
    with pytest.raises(HearsimError, match=words), Session(quick_profile("flat")):
        pass


def test_a_class_of_a_notebook_has_a_checksum_of_its_code() -> None:
    """Such a class has no source file; its checksum changes with its code."""
    sums = set()
    for offset in (0, 0, 1):
        space = {"HSTasNet": HSTasNet, "__name__": "notebook"}
        exec(f"class Own(HSTasNet):\n    def late(self):\n        return self.hop + self.hop * {offset}", space)
        net = tiny_net()
        net.__class__ = space["Own"]  # type: ignore[assignment]
        sums.add(network_sha256(net))
    assert len(sums) == 2
    assert Profile("N3", model=net).block_samples == net.hop
