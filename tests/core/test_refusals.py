"""A format that a stage can't take is refused by the stage's own name, through any composite; all others are taken."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, REFUSES, STEMS, expected, pa, tiny_net

from hearsim.aid.remix import Remix
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.calibration import Calibration, ToPascal
from hearsim.core.composites import Bypass, Chain, Delay, Parallel, Reblock
from hearsim.core.errors import FormatError
from hearsim.core.processor import Processor
from hearsim.ear.hearing_loss import HOP, HearingLoss
from hearsim.profile.load import load_listener

CHANGES: dict[str, Callable[[Format], Format]] = {
    "low rate": lambda fmt: replace(fmt, rate=1600),
    "high rate": lambda fmt: replace(fmt, rate=96000),
    "one channel": lambda fmt: replace(fmt, channels=1),
    "three channels": lambda fmt: replace(fmt, channels=3),
    "block": lambda fmt: replace(fmt, block=77),
    "unit": lambda fmt: replace(fmt, unit="pa" if fmt.unit == "fs" else "fs"),
    "stems": lambda fmt: replace(fmt, stems=() if fmt.stems else STEMS),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", CASES)
def test_refused_by_name_or_taken(name: str, change: str) -> None:
    _, build, form = CASES[name]
    stage, fmt = build(), CHANGES[change](form(128))
    refuser = expected(REFUSES, name).get(change)
    if refuser is None:
        output = stage.prepare(fmt)
        assert stage.process(np.zeros(fmt.shape, np.float32)).shape == output.shape
        return
    with pytest.raises(FormatError, match=rf"^{re.escape(refuser)} (can't take .*|needs 44100 Hz, got .*): .+"):
        stage.prepare(fmt)


HEARING_LOSS = HearingLoss(load_listener("N3").ears)
OTHERS: list[tuple[Processor, Format, str]] = [
    (HEARING_LOSS, pa(100), f"HearingLoss can't take .* block 100.*Reblock.*{HOP}"),
    (Separator(tiny_net()), Format(44100, 2, 100), r"^Separator can't take .* block 100.*Reblock.*64"),
    (Bypass(ToPascal(Calibration(94.0))), Format(44100, 2, 64), r"^ToPascal \(bypassed\) can't take"),
    (Parallel(Delay(0), ToPascal(Calibration(94.0))), Format(44100, 2, 64), "^Parallel can't take"),
    (Remix({"choir": 2.0}), Format(44100, 2, 64, STEMS), "^Remix can't take .*choir.*vocals, drums, bass, other"),
    (Chain(Delay(3), Bypass(Parallel(Reblock(HEARING_LOSS, HOP)))), Format(44100, 2, 64), "^HearingLoss can't take"),
]


@pytest.mark.parametrize(("stage", "fmt", "message"), OTHERS)
def test_refused_for_what_only_some_have(stage: Processor, fmt: Format, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        stage.prepare(fmt)
