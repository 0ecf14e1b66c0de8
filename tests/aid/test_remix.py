"""The residual remix against sums worked out by hand."""

import numpy as np
import pytest

from hearsim.aid.remix import Remix
from hearsim.core.audio import Format

STEMS = ("vocals", "drums", "bass", "other")


def remix(gains: dict[str, float], block: int = 64) -> Remix:
    stage = Remix(gains)
    stage.prepare(Format(44100, 2, block, STEMS))
    return stage


@pytest.mark.parametrize("stem", STEMS)
def test_each_stem_has_its_own_gain(stem: str) -> None:
    values = dict(zip(STEMS, (1.0, 2.0, 4.0, 8.0), strict=True))
    stems = np.stack([np.full((2, 64), value, np.float32) for value in values.values()])
    np.testing.assert_allclose(remix({stem: 3.0}).process(stems), 2.0 * values[stem])


def test_ramps_take_10_ms() -> None:
    """441 samples at 44.1 kHz; half of the way after half of them."""
    stage = remix({}, block=1024)
    assert stage.configure({"vocals": 3.0}, at=100) == 100
    stems = np.zeros((4, 2, 1024), np.float32)
    stems[0] = 1.0
    mixed = stage.process(stems)[0]
    assert mixed[99] == 0.0 and 0.0 < mixed[100] < 0.01
    assert mixed[100 + 220] == pytest.approx(2.0 * 221 / 441, abs=1e-6)
    assert mixed[100 + 439] < 2.0 and np.all(mixed[100 + 440 :] == 2.0)
