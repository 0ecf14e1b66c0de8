"""The sum of the declared rows is the measured delay, for every shipped profile and for odd host blocks."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from cases import pa, quick_profile, tiny_net
from test_contract import noise, run
from torch import Tensor

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.calibration import Calibration, ToPascal
from hearsim.core.composites import Chain, Delay, Parallel, Reblock
from hearsim.core.errors import HearsimError
from hearsim.core.latency import COLUMNS, LatencyEntry, LatencyLedger, verdicts
from hearsim.core.probing import measure, measured_ledger
from hearsim.core.processor import find, latency_ledger
from hearsim.ear.hearing_loss import HOP, HearingLoss
from hearsim.ear.vent import vent_comb
from hearsim.profile.load import load_listener, load_profile, profile_names
from hearsim.separation.hs_tasnet import HSTasNet
from hearsim.separation.net import NetState


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("block", [128, 441, 512])
def test_declared_is_measured(name: str, block: int) -> None:
    aid, fmt = hearing_aid(load_profile(name)), Format(44100, 2, block)
    assert measure(aid, fmt) == latency_ledger(aid, fmt).total_samples


class Liar(Delay):
    """Is 10 samples late and says 3."""

    def __init__(self) -> None:
        super().__init__(10)

    @property
    def latency(self) -> int:
        return 3


class Mute(Delay):
    """Lets nothing through on the right."""

    def process(self, block: np.ndarray) -> np.ndarray:
        return block * np.array([[1.0], [0.0]], np.float32)


class LateBy(Reblock):
    """Primed with one sample too many."""

    def reset(self) -> None:
        super().reset()
        self._ready_frames += 1


class SaysAHopLess(HSTasNet):
    """Declares no look-back."""

    @property
    def latency(self) -> int:
        return 0


class WaitsAHop(HSTasNet):
    """Keeps a hop back in its overlap-add, undeclared."""

    def step(self, hop: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        output, after = super().step(hop, state)
        return state.overlap, after._replace(overlap=output)


def test_measuring_sees_an_undeclared_delay() -> None:
    fmt = Format(44100, 2, 128)
    liar = Chain(Liar())
    assert latency_ledger(liar, fmt).total_samples == 131
    assert measure(liar, fmt) == 138


def test_no_branch_hides_another() -> None:
    """The sum of two branches would show the first one's delay to any probe."""
    fmt = Format(44100, 2, 128)
    assert measure(Parallel(Delay(3), Delay(0)), fmt) == 131
    with pytest.raises(HearsimError, match=r"Parallel has no single delay.*131.*138"):
        measure(Parallel(Delay(3), Liar()), fmt)
    with pytest.raises(HearsimError, match="lost"):
        measure(Parallel(Delay(0), Mute(0)), fmt)


@pytest.mark.parametrize("kind", [SaysAHopLess, WaitsAHop])
@pytest.mark.parametrize("block", [64, 100])
def test_a_network_that_is_later_than_it_says_is_found_out(kind: type[HSTasNet], block: int) -> None:
    fmt = Format(44100, 2, block)
    net = kind(tiny_net().config).eval()
    alone = Reblock(Separator(net), 64)
    assert measure(alone, fmt) == latency_ledger(alone, fmt).total_samples + 64
    with pytest.raises(HearsimError, match=r"^aid 'flat' has no single delay"):
        measure(hearing_aid(quick_profile("flat").model_copy(update={"model": net})), fmt)


def test_reblock_primed_wrongly_is_found_out() -> None:
    """One sample too late, against the dry branch and against its own word."""
    fmt = Format(44100, 2, 96)
    for stage in (LateBy(Delay(0), 64), LateBy(Separator(tiny_net()), 64)):
        assert measure(Chain(stage), fmt) == latency_ledger(stage, fmt).total_samples + 1
    aid = hearing_aid(quick_profile("flat"))
    wet = aid.stages[0].stages[1]
    wet.stages = (LateBy(wet.stages[0].stage, 64), *wet.stages[1:])
    with pytest.raises(HearsimError, match="no single delay"):
        measure(aid, fmt)


def test_rows_are_measured_one_by_one_or_stay_declared() -> None:
    fmt = Format(44100, 2, 100)
    aid = hearing_aid(quick_profile("asymmetric-instrumental"))
    ledger = measured_ledger(aid, fmt)
    assert [row[:3] for row in ledger.entries] == [row[:3] for row in latency_ledger(aid, fmt).entries]
    assert [row.source for row in ledger.entries] == ["declared"] + 7 * ["measured"]
    assert {row.name for row in ledger.entries if row.samples} >= {"Reblock to 64", "MPO limiter look-ahead"}
    for listener, sources in (("normal", ["measured"] * 2), ("N3", ["declared"] * 2)):
        loss = Chain(ToPascal(Calibration(94.0)), Reblock(HearingLoss(load_listener(listener).ears), HOP))
        assert [row.source for row in measured_ledger(loss, fmt).entries[2:]] == sources
    assert [row.source for row in measured_ledger(Chain(Liar(), Delay(2)), fmt).entries] == [
        "declared",
        "declared",
        "measured",
    ]
    assert measure(Reblock(HearingLoss(load_listener("normal").ears), HOP), pa(100)) == 100 + 252 + 768


def test_a_probe_leaves_nothing_behind() -> None:
    """The network that runs afterwards is the one that ran before, and its output the same."""
    aid, fmt = hearing_aid(quick_profile("asymmetric-instrumental")), Format(44100, 2, 64)
    aid.prepare(fmt)
    sound = noise(fmt, 64 * 50)
    before = run(aid, sound, 64)
    separator = find(aid, Separator)
    step = separator._step
    measure(aid, fmt)
    assert separator._step is step
    np.testing.assert_array_equal(run(aid, sound, 64), before)


def test_the_ledger_in_print() -> None:
    lines = str(measured_ledger(Chain(Delay(44), Liar()), Format(44100, 2, 441))).splitlines()
    assert lines == [
        "part                        kind        source    samples     ms  sum ms",
        "input block of 441          buffering   declared      441  10.00   10.00",
        "Delay                       buffering   measured       44   1.00   11.00",
        "Delay                       buffering   declared        3   0.07   11.07",
        "live delay                              declared      488          11.07",
        "processing delay (offline)  file shift  declared       47           1.07",
    ]


def test_stages_of_ones_own_fit_into_the_ledger() -> None:
    """Long and broken names, several rows, none, a kind of one's own: in text, HTML, JSON and measured."""

    class Own(Delay):
        def latency_entries(self) -> tuple[LatencyEntry, ...]:
            name = "<b>a stage whose name is\n  longer than forty-four characters</b>"
            return LatencyEntry(name, 3, "algorithm"), LatencyEntry("its tail", 4, "alchemy")  # type: ignore[arg-type]

    class Silent(Delay):
        def latency_entries(self) -> tuple[LatencyEntry, ...]:
            return ()

    fmt, chain = Format(44100, 2, 441), Chain(Own(7), Silent(0), Reblock(Silent(0), 64))
    ledger = measured_ledger(chain, fmt)
    assert [(entry.samples, entry.source) for entry in ledger.entries] == [
        (441, "declared"), (3, "measured"), (4, "measured"), (63, "measured"),
    ]  # fmt: skip
    header, *lines = str(ledger).splitlines()
    assert len(lines) == 6 and all(len(line) == len(header) for line in lines)
    assert "name is longer" in lines[1] and "alchemy" in lines[2]
    assert "&lt;b&gt;a stage" in ledger._repr_html_() and "<b>" not in ledger._repr_html_()
    assert LatencyLedger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger


def test_every_form_of_the_ledger_has_the_same_rows() -> None:
    """Text, HTML and JSON: entries, the declared and the measured live delay, the processing delay."""
    fmt = Format(44100, 2, 128)
    declared = latency_ledger(Chain(Reblock(Delay(100), 512), Delay(44)), fmt)
    ledger = replace(declared, measured_samples=657)
    sums = {name: (source, samples) for name, _, source, samples, _, _ in ledger.rows()[-3:]}
    assert sums == {"live delay": ("measured", "657"), "processing delay (offline)": ("declared", "528")}
    assert [row[3] for row in ledger.rows()] == ["128", "384", "100", "44", "656", "657", "528"]
    assert [line.split()[-1] for line in str(ledger).splitlines()[1:]] == [row[-1] for row in ledger.rows()]
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", ledger._repr_html_())
    assert cells == [cell for row in (COLUMNS, *ledger.rows()) for cell in row]
    table = ledger.to_json()
    assert [part["samples"] for part in table["parts"]] == [128, 384, 100, 44]
    assert (table["total_samples"], table["file_shift_samples"], table["measured_samples"]) == (656, 528, 657)
    assert LatencyLedger.from_json(table) == ledger
    assert [row[3] for row in declared.rows()] == ["128", "384", "100", "44", "656", "528"]  # nothing was measured


def test_processing_delay_is_the_live_delay_less_a_block() -> None:
    ledger = latency_ledger(hearing_aid(load_profile("flat")), Format(44100, 2, 512))
    assert (ledger.total_samples, ledger.processing_samples) == (512 + 512 + 44, 512 + 44)


@pytest.mark.parametrize(("difference_db", "ripple_db"), [(24.8, 1.0), (15.3, 3.0), (9.6, 6.0)])
def test_comb(difference_db: float, ripple_db: float) -> None:
    comb = vent_comb(23.22, difference_db)
    assert comb["ripple_db"] == pytest.approx(ripple_db, abs=0.06)
    assert comb["spacing_hz"] == pytest.approx(43.07, abs=0.01)


def test_verdicts_follow_the_delay() -> None:
    assert [verdict.ok for verdict in verdicts(24.2)] == [True, False, False]
    assert [verdict.ok for verdict in verdicts(0.9)] == [True, True, True]
    assert [verdict.sentence for verdict in verdicts(6.8)] == [
        "no limit: nothing else reaches the ear (lip-sync aside)",
        "OK: 6.8 ms is within the limit of 10 ms",
        "too slow: 6.8 ms is over the limit of 1 ms",
    ]
