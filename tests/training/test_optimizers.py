"""Every parameter is moved by one optimizer; Muon moves the matrices, in all directions alike."""

import pytest
import torch

from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.net import NetConfig
from hearsim.separation.registry import build
from hearsim.separation.tasnet import TasNetConfig
from hearsim.separation.x_umx import XUmxConfig
from hearsim.training.optimizers import make_optimizers
from hearsim.training.spec import OptimizerSpec

CONFIGS: tuple[NetConfig, ...] = (
    HSTasNetConfig(window=64, hop=16, units=8, layers=1, bases=6, fusion="shared", bands=16),
    XUmxConfig(window=64, hop=32, units=8),
    TasNetConfig(window=64, hop=32, units=8, bases=6, layers=1),
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_every_parameter_has_one_optimizer(config: NetConfig, method: str) -> None:
    net = build(config)
    made = make_optimizers(net, OptimizerSpec(steps=1, method=method))
    moved = [id(p) for each in made.values() for group in each.param_groups for p in group["params"]]
    assert sorted(moved) == sorted(id(p) for p in net.parameters())
    matrices = {id(p) for p in net.parameters() if p.ndim == 2}
    by_muon = {id(p) for group in made["muon"].param_groups for p in group["params"]} if "muon" in made else set()
    assert by_muon == (matrices if method == "muon" else set())


def test_muon_moves_a_matrix_in_all_directions_alike() -> None:
    net = build(CONFIGS[0])
    matrix = net.stateful_modules()[0].lstm.weight_hh_l0
    made = make_optimizers(net, OptimizerSpec(steps=1, method="muon", weight_decay=0.0))
    before = matrix.detach().clone()
    torch.manual_seed(0)
    matrix.grad = torch.randn_like(matrix) @ torch.diag(torch.logspace(0, -2, matrix.shape[1]))
    made["muon"].step()
    step = torch.linalg.svdvals(matrix.detach() - before)
    slope = torch.linalg.svdvals(matrix.grad)
    assert slope[0] / slope[-1] > 50
    assert step[0] / step[-1] < 3
