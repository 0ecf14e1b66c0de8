"""Levels of the branches of a network, against what its masks and its decoder say."""

import csv
from pathlib import Path

import pytest
import torch

from hearsim.separation.registry import build, system
from hearsim.training.branches import LOWEST_DB, branch_levels_db
from hearsim.training.log import COLUMNS, RunLog

FRAMES = 1024 + 20 * 512


@pytest.fixture
def mix() -> torch.Tensor:
    return torch.randn(1, 2, FRAMES, generator=torch.Generator().manual_seed(0))


def test_equal_shares_of_four_stems_are_6_db_under_the_mixture(mix: torch.Tensor) -> None:
    net = build(system("x-umx-23ms")).eval().with_passthrough_masks()
    levels = branch_levels_db(net, mix)
    assert levels == {"spectrogram_db": pytest.approx(-6.02, abs=0.01), "waveform_db": None}


def test_the_waveform_branch_follows_its_decoder_and_is_at_the_floor_without_it(mix: torch.Tensor) -> None:
    torch.manual_seed(1)
    net = build(system("hs-tasnet-lite")).eval()
    assert net.decoder is not None
    before = branch_levels_db(net, mix)
    with torch.no_grad():
        net.decoder.weight *= 2
    after = branch_levels_db(net, mix)
    assert before["spectrogram_db"] == pytest.approx(after["spectrogram_db"])
    assert after["waveform_db"] == pytest.approx((before["waveform_db"] or 0) + 6.02, abs=0.01)
    with torch.no_grad():
        net.decoder.weight *= 0
    assert branch_levels_db(net, mix)["waveform_db"] == LOWEST_DB


def test_levels_change_nothing_in_the_network(mix: torch.Tensor) -> None:
    """The batch norms of X-UMX follow what a network in training hears."""
    net = build(system("x-umx-23ms"))
    with pytest.raises(ValueError, match="in training"):
        branch_levels_db(net, mix)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    branch_levels_db(net.eval(), mix)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_log_without_these_columns_goes_on(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss,hours,x_real_time,learning_rate,validation_db\n20,1,0.1,9,0.001,\n")
    with RunLog(tmp_path, 20, 40, tensorboard=False, writes=True) as log:
        log.row(40, 0.9, 0.2, 9.0, 1e-3, None, {"spectrogram_db": -5.0, "waveform_db": None})
    with (tmp_path / "log.csv").open(newline="") as file:
        head, old, new = csv.reader(file)
    assert tuple(head) == COLUMNS and len(old) == len(new) == len(head)
    assert new[-2:] == ["-5.0", ""]
