"""The aid's block follows the model's hop, so that no delay is added that nobody asked for."""

from pathlib import Path

import pytest

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Format
from hearsim.core.composites import Delay, Parallel, Reblock
from hearsim.core.probing import measured_ledger
from hearsim.core.processor import latency_ledger
from hearsim.profile.load import load_aid, load_profile, profile_names
from hearsim.profile.schema import Profile


@pytest.mark.parametrize("aid", ["closed", "open"])
@pytest.mark.parametrize(("model", "hop"), [("hs-tasnet-lite", 512), ("hs-tasnet-lite-6ms", 128)])
def test_live_delay_is_block_overlap_and_limiter(aid: str, model: str, hop: int) -> None:
    """Block + overlap-add + 44 samples of the limiter: 1068 samples (24.2 ms) and 300 (6.8 ms)."""
    profile = Profile("N2", aid=aid, model=model)
    assert profile.block_samples == hop
    total = latency_ledger(hearing_aid(profile), Format(44100, 2, profile.block_samples)).total_samples
    assert total == hop + hop + 44


def test_a_block_that_is_set_stays() -> None:
    aid = load_aid("closed").model_copy(update={"block_samples": 512})
    profile = Profile("N2", aid=aid, model="hs-tasnet-lite-6ms")
    assert profile.block_samples == 512
    total = latency_ledger(hearing_aid(profile), Format(44100, 2, 512)).total_samples
    assert total == 512 + 128 + 44  # 15.5 ms


@pytest.mark.parametrize(
    ("settings", "host", "advice"),
    [
        (
            {"block_samples": 512},
            512,
            "set aid.block_samples = 128 (or leave it out); blocks of 512 delay 8.71 ms more",
        ),
        (
            {"block_samples": 100},
            100,
            "set aid.block_samples = 128 (or leave it out); blocks of 100 delay 2.18 ms more",
        ),
        ({"block_samples": 64}, 64, None),  # 64 + 64 samples are not more than 128
        ({"block_samples": 128}, 256, "prepare it for blocks of 128; blocks of 256 delay 2.90 ms more"),
        ({}, 512, "prepare it for blocks of 128; blocks of 512 delay 8.71 ms more"),
        ({}, 128, None),
    ],
)
def test_the_ledger_names_the_row_to_change(settings: dict[str, int], host: int, advice: str | None) -> None:
    """Wherever another block delays less (cases C 7), in every form of the ledger; what it says is what helps."""
    profile = Profile("N2", aid=load_aid("closed").model_copy(update=settings), model="hs-tasnet-lite-6ms")
    ledger = measured_ledger(hearing_aid(profile), Format(44100, 2, host))
    assert ledger.advice() == ([f"Reblock to 128: {advice}"] if advice else [])
    least = latency_ledger(hearing_aid(profile), Format(44100, 2, 128)).total_samples
    assert bool(advice) == (least < ledger.total_samples)
    if advice:
        assert f"{1e3 * (ledger.total_samples - least) / 44100:.2f} ms more" in advice
        assert str(ledger).splitlines()[-1] == f"Reblock to 128: {advice}"
        assert ledger.to_json()["parts"][1]["advice"] == advice and advice in ledger._repr_html_()


def test_the_advice_for_a_stage_that_replaces_the_separator_is_its_own_block() -> None:
    profile = Profile("N2", aid=load_aid("closed").model_copy(update={"block_samples": 512}))
    aid = hearing_aid(profile, separation=Reblock(Delay(0), 96))
    ledger = latency_ledger(aid)  # left out, the block would be the hop of the model, which does not run
    assert ledger.advice() == ["Reblock to 96: set aid.block_samples = 96; blocks of 512 delay 10.88 ms more"]


def test_branches_that_are_faster_want_no_block() -> None:
    profile = Profile("N2", aid=load_aid("closed").model_copy(update={"block_samples": 512}))
    waits = Parallel(Reblock(Delay(0), 64), Reblock(Delay(3000), 512))
    assert latency_ledger(hearing_aid(profile, separation=waits)).advice() == []


def test_shipped_profiles_keep_blocks_of_512() -> None:
    assert {load_profile(name).block_samples for name in profile_names()} == {512}


def test_the_block_follows_a_network_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("class Net:\n    hop, stems = 64, ()\n\nnet = Net()\n")
    profile = Profile("N2").model_copy(update={"model": f"{path}:net"})
    assert profile.block_samples == 64
