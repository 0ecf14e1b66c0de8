"""`hearsim.testing` finds each fault of a stage and of a network, and says in one sentence which."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from cases import tiny_net
from torch import Tensor

import hearsim as hs
from hearsim.core.latency import LatencyEntry
from hearsim.core.units import FloatArray
from hearsim.separation.hs_tasnet import HSTasNet
from hearsim.separation.net import NetState, SeparatorNet
from hearsim.testing import check_processor, check_separator


class Wire(hs.Processor):
    """The fewest lines of a stage."""

    def process(self, block: FloatArray) -> FloatArray:
        return block.copy()


class Writes(Wire):
    def process(self, block: FloatArray) -> FloatArray:
        block *= 0.5
        return block


class Doubles(Wire):
    def process(self, block: FloatArray) -> FloatArray:
        return block.astype(np.float64)


class Shortens(Wire):
    def process(self, block: FloatArray) -> FloatArray:
        return block[:, 1:].copy()


class CountsBlocks(Wire):
    def prepare(self, fmt: hs.Format) -> hs.Format:
        self.reset()
        return fmt

    def reset(self) -> None:
        self._blocks = 0

    def process(self, block: FloatArray) -> FloatArray:
        self._blocks += 1
        return block * np.float32(1 / self._blocks)


class DividesSilence(Wire):
    def process(self, block: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore"):
            return block / np.abs(block).max()


class Explodes(CountsBlocks):
    def process(self, block: FloatArray) -> FloatArray:
        self._blocks += 1
        return block * np.float32(np.inf if self._blocks > 2 else 1.0)


class KeepsState(CountsBlocks):
    def reset(self) -> None:
        self._blocks = getattr(self, "_blocks", 0)


class DeclaresLess(hs.Delay):
    @property
    def latency(self) -> int:
        return 30


class DeclaresHalf(hs.Delay):
    @property
    def latency(self) -> float:  # type: ignore[override]
        return 18.5


class LeavesARowOut(hs.Reblock):
    def latency_entries(self) -> tuple[LatencyEntry, ...]:
        return super().latency_entries()[1:]


FAULTS: list[tuple[Callable[[], hs.Processor], str]] = [
    (Writes, "^Writes: process changed its input block"),
    (Doubles, "^Doubles: process returned float64: return float32"),
    (Shortens, r"^Shortens: process returned the shape \(2, 127\), and prepare announced 2 ch, .*\(2, 128\)"),
    (DividesSilence, "^DividesSilence: its output is not finite from sample 2000 on: return no NaN and no Inf"),
    (Explodes, "^Explodes: its output is not finite from sample 256 on"),
    (KeepsState, "^KeepsState: its output after reset differs"),
    (CountsBlocks, "^CountsBlocks: its output for blocks of 64 and 1 differs from sample 1 on"),
    (lambda: DeclaresHalf(37), "^Delay: its latency is 18.5: give a whole number of samples"),
    (lambda: LeavesARowOut(hs.Delay(3), 48), "^Reblock to 48: its ledger rows sum to 3 samples, its latency is 50"),
    (lambda: DeclaresLess(37), r"^Delay: it declares 30 samples .* measured: impulse 137, chirp 137"),
]


@pytest.mark.parametrize(("make", "sentence"), FAULTS)
def test_a_faulty_stage_is_found(make: Callable[[], hs.Processor], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as answer:
        check_processor(make)
    assert "\n" not in str(answer.value)


def test_good_stages_pass() -> None:
    for stage in (Wire(), hs.Delay(37), hs.Chain(hs.Delay(5), Wire()), hs.Parallel(hs.Delay(0), hs.Delay(11))):
        check_processor(stage)
    with pytest.raises(hs.HearsimError, match=r"check_processor takes a stage .*, not 'Delay'"):
        check_processor("Delay")  # type: ignore[arg-type]


class ForwardIsLouder(HSTasNet):
    def forward(self, mix: Tensor) -> Tensor:
        return 1.1 * super().forward(mix)


class SaysAHopLess(HSTasNet):
    @property
    def latency(self) -> int:
        return 0


class UsesItsFuture(HSTasNet):
    def forward(self, mix: Tensor) -> Tensor:
        return super().forward(mix) * (1 + mix.abs().max())

    def stream(self, mix: Tensor) -> Tensor:  # as forward, so that only causality finds it
        late = self.latency
        whole = self(mix[..., : mix.shape[-1] - late - self.hop])
        return torch.nn.functional.pad(whole, (late, self.hop))


class GivesNan(HSTasNet):
    def forward(self, mix: Tensor) -> Tensor:
        return super().forward(mix) * torch.nan


class Transposed(HSTasNet):
    def forward(self, mix: Tensor) -> Tensor:
        return super().forward(mix).transpose(1, 2)


class ForgetsOverlap(HSTasNet):
    def step(self, hop: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        output, after = super().step(hop, state)
        return output, after._replace(overlap=0 * after.overlap)


class StreamsNan(HSTasNet):
    def step(self, hop: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        output, after = super().step(hop, state)
        return output * torch.nan, after


class LooksASampleAhead(UsesItsFuture):
    def forward(self, mix: Tensor) -> Tensor:
        ahead = self.latency + 1
        return HSTasNet.forward(self, mix) + torch.nn.functional.pad(mix[..., ahead:], (0, ahead))[:, None]


class WritesItsFirstState(HSTasNet):
    def initial_state(self, batch: int = 1) -> NetState:
        if batch > 1:
            return super().initial_state(batch)
        if "first" not in self.__dict__:
            self.__dict__["first"] = super().initial_state()
        return self.__dict__["first"]

    def step(self, hop: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        output, after = super().step(hop, state)
        state.overlap.copy_(after.overlap)
        return output, after


NETS: list[tuple[type[HSTasNet], str]] = [
    (Transposed, r"^Transposed: forward gives the shape \(2, 2, 4, 323\), not .* = \(2, 4, 2, 323\)"),
    (GivesNan, "^GivesNan: forward gives NaN or Inf"),
    (ForwardIsLouder, r"^ForwardIsLouder: step, 64 samples later \(its latency\), differs from forward .*, by up to"),
    (SaysAHopLess, r"^SaysAHopLess: step, 0 samples later"),
    (ForgetsOverlap, r"^ForgetsOverlap: step, 64 samples later .*, from sample \d+ on"),
    (StreamsNan, r"^StreamsNan: step, 64 samples later .*, differs from forward .*, by up to nan, from sample 0 on"),
    (UsesItsFuture, "^UsesItsFuture: later input changes earlier output"),
    (LooksASampleAhead, r"^LooksASampleAhead: later input .*, from sample 447 on"),
    (WritesItsFirstState, "^WritesItsFirstState: the traced step of the aid differs from stream after a reset"),
]


def of_kind(kind: type[HSTasNet]) -> SeparatorNet:
    net = tiny_net()
    net.__class__ = kind
    return net


@pytest.mark.parametrize(("kind", "sentence"), NETS)
def test_a_faulty_network_is_found(kind: type[HSTasNet], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_separator(of_kind(kind))


def test_good_networks_pass_in_evaluation_mode() -> None:
    check_separator(tiny_net())
    with pytest.raises(AssertionError, match=r"training mode: call net.eval\(\)"):
        check_separator(tiny_net().train())
    with pytest.raises(hs.HearsimError, match="check_separator takes a SeparatorNet, not Linear: derive"):
        check_separator(torch.nn.Linear(2, 2))  # type: ignore[arg-type]
