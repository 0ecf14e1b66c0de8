"""The aid's block follows the model's hop, so that no delay is added that nobody asked for."""

from pathlib import Path

import pytest

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Format
from hearsim.core.latency import budget
from hearsim.profile.load import load_aid, load_profile, profile_names
from hearsim.profile.schema import Profile


@pytest.mark.parametrize("aid", ["closed", "open"])
@pytest.mark.parametrize(("model", "hop"), [("hs-tasnet-lite", 512), ("hs-tasnet-lite-6ms", 128)])
def test_live_delay_is_block_overlap_and_limiter(aid: str, model: str, hop: int) -> None:
    """Block + overlap-add + 44 samples of the limiter: 1068 samples (24.2 ms) and 300 (6.8 ms)."""
    profile = Profile("N2", aid=aid, model=model)
    assert profile.block_samples == hop
    total = budget(hearing_aid(profile), Format(44100, 2, profile.block_samples)).total_samples
    assert total == hop + hop + 44


def test_a_block_that_is_set_stays() -> None:
    aid = load_aid("closed").model_copy(update={"block_samples": 512})
    profile = Profile("N2", aid=aid, model="hs-tasnet-lite-6ms")
    assert profile.block_samples == 512
    total = budget(hearing_aid(profile), Format(44100, 2, 512)).total_samples
    assert total == 512 + 128 + 44  # 15.5 ms


def test_shipped_profiles_keep_blocks_of_512() -> None:
    assert {load_profile(name).block_samples for name in profile_names()} == {512}


def test_the_block_follows_a_network_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("class Net:\n    hop, stems = 64, ()\n\nnet = Net()\n")
    profile = Profile("N2").model_copy(update={"model": f"{path}:net"})
    assert profile.block_samples == 64
