"""The ratio in force, in numbers and in tones: no setting without effect."""

import math

import numpy as np
import pytest

from hearsim.aid.compensation import compensation
from hearsim.core.audio import Format
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.profile.schema import Profile

RATE = 44100


def output_level(profile: Profile, hz: float, db_spl: float) -> float:
    stage = compensation(profile)
    stage.prepare(Format(RATE, 2, RATE, unit="pa"))
    t = np.arange(RATE) / RATE
    sound = math.sqrt(2) * 20e-6 * 10 ** (db_spl / 20) * np.sin(2 * np.pi * hz * t)
    settled = stage.process(np.stack([sound, sound]).astype(np.float32))[0, RATE // 2 :].astype(np.float64)
    return 20 * math.log10(float(np.sqrt(np.mean(settled**2))) / 20e-6)


@pytest.mark.parametrize(("listener", "hz"), [("N2", 500.0), ("N2", 2000.0), ("N5", 1000.0)])
def test_the_ratio_in_force_is_that_of_tones(listener: str, hz: float) -> None:
    profile = Profile(listener, aid="closed")
    ratio = compensation(profile).compression_ratio[0, AUDIOMETRIC_HZ.index(hz)]
    rise = output_level(profile, hz, 68.0) - output_level(profile, hz, 60.0)
    assert 8.0 / rise == pytest.approx(ratio, rel=0.02)


def test_the_ratio_in_force_by_hand() -> None:
    """N2 at 500 Hz: 2.2 dB of gain, and speech 15.65 dB over the knee: slope 0.141. At 250 Hz there is no gain.

    NAL-R: 0.31 x 20 + 0.15 (20 + 25 + 35) / 3 - 8 = 2.2. Speech at 65 dB SPL from 354 to 612 Hz: the third octaves of
    400 and 500 Hz with 57.1 dB each (Byrne et al. 1994), and 0.378 of that of 630 Hz with 55.5: 60.65 dB SPL.
    """
    ratio = compensation(Profile("N2", aid="closed")).compression_ratio
    assert ratio[0, 0] == 1.0
    assert ratio[0, 1] == pytest.approx(1 / (1 - 2.2 / 15.65), abs=1e-3)
    assert ratio[0, 5] == pytest.approx(2.0)
    assert (compensation(Profile("normal", aid="closed")).compression_ratio == 1.0).all()
