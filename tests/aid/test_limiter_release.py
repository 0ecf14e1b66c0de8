"""The limiter lets go as slowly as it says."""

import numpy as np
import pytest

from hearsim.aid.limiter import MpoLimiter, ceiling_pa
from hearsim.core.audio import Format

RATE = 44100


@pytest.mark.parametrize("release_ms", [20.0, 50.0, 200.0])
def test_what_is_missing_of_the_gain_falls_to_1_over_e_in_the_release_time(release_ms: float) -> None:
    stage = MpoLimiter((100.0, 100.0), release_ms=release_ms)
    frames, loud = RATE, RATE // 10
    stage.prepare(Format(RATE, 2, frames, unit="pa"))
    sound = np.full((2, frames), 0.01, np.float32)
    sound[:, :loud] = 4 * ceiling_pa(100.0)
    gain = stage.process(sound)[0].astype(np.float64) / 0.01
    first = loud + stage.latency + 200  # released, and averaged over nothing but the release
    later = first + round(1e-3 * release_ms * RATE)
    assert (1 - gain[later]) / (1 - gain[first]) == pytest.approx(np.exp(-1), rel=0.02)
