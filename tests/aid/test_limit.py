"""No sample leaves the aid above the peak of a sine at the MPO: counted in float64, behind the last rounding."""

import math

import numpy as np
import pytest
from cases import RATE, quick_profile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import signal

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.limiter import MpoLimiter, ceiling_pa
from hearsim.core.audio import Format
from hearsim.core.composites import Chain
from hearsim.core.invalid_samples import MAX_PRESSURE_PA
from hearsim.core.units import spl_to_pascal
from hearsim.profile.schema import PEAK_OVER_RMS_DB, Rig

PROFILE = quick_profile("asymmetric-instrumental")
MPO = st.floats(60.0, 140.0)
ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)


def peak_pa(mpo_db_spl: float) -> float:
    return math.sqrt(2) * spl_to_pascal(mpo_db_spl)


@settings(max_examples=500, deadline=None)
@given(MPO)
def test_the_ceiling_lies_under_the_peak_and_close(mpo: float) -> None:
    assert peak_pa(mpo) * (1 - 2**-21) < ceiling_pa(mpo) <= peak_pa(mpo)


def test_the_ceiling_at_98_db() -> None:
    """The nearest float32 lies above the peak here; numpy would not say so, for it compares in float32."""
    assert float(np.float32(peak_pa(98.0))) > peak_pa(98.0)
    assert ceiling_pa(98.0) <= peak_pa(98.0)


@settings(max_examples=150, deadline=None)
@given(
    MPO,
    st.floats(0.0, 20.0),
    st.floats(60.0, 160.0),
    st.floats(PEAK_OVER_RMS_DB + 0.01, 60.0),
    st.booleans(),
    arrays(np.float32, (2, 256), elements=ANY),
)
def test_no_sample_leaves_the_aid_above_the_limit(
    mpo: float, lower: float, microphone: float, room: float, compress: bool, wild: np.ndarray
) -> None:
    """Any limit, any calibration that holds it, with and without the aid before it; then as loud as sound can be."""
    headphones = min(160.0, mpo + room)
    rig = Rig(name="any", microphone_full_scale_db_spl=microphone, headphones_full_scale_db_spl=headphones)
    aid = PROFILE.aid.model_copy(update={"mpo_db_spl": mpo})
    ucl = {"left": max(60.0, mpo - lower), "right": mpo}
    listener = PROFILE.listener.model_copy(update={"ucl_db_spl": type(PROFILE.listener.ucl_db_spl)(**ucl)})
    profile = PROFILE.model_copy(update={"rig": rig, "aid": aid, "listener": listener})
    chain = Chain(*hearing_aid(profile, set() if compress else {"compensation"}).stages[1:])  # all but the network
    chain.prepare(Format(RATE, 2, 256))
    full = np.random.default_rng(0).uniform(-0.99, 0.99, (2, 256)) * MAX_PRESSURE_PA / rig.microphone.pascal_per_unit
    heights = []
    for block in (wild, full.astype(np.float32), wild, np.zeros_like(wild)):
        pressure = np.abs(chain.process(block).astype(np.float64)) * rig.headphones.pascal_per_unit
        for ear, limit_db in enumerate(profile.mpo_db_spl):
            assert pressure[ear].max() <= peak_pa(limit_db)
            heights.append(pressure[ear].max() / peak_pa(limit_db))
    assert max(heights) > 0.999  # the limit was reached


@pytest.mark.parametrize(("part", "over_db"), [(8, 0.69), (6, 1.25), (4, 3.01)])
def test_the_limit_holds_samples_and_the_sound_between_them_is_higher(part: int, over_db: float) -> None:
    """Tones at a part of the rate whose samples lie beside the peak by half a sample: 1 / cos(pi / part) over them."""
    stage = MpoLimiter((98.0, 98.0))
    stage.prepare(Format(RATE, 2, RATE, unit="pa"))
    tone = peak_pa(110.0) * np.cos(2 * np.pi / part * (np.arange(RATE) + 0.5))
    out = stage.process(np.stack([tone, tone]).astype(np.float32))[0, RATE // 2 :].astype(np.float64)
    assert np.abs(out).max() <= peak_pa(98.0)
    rms_db_spl = 20 * math.log10(math.sqrt(np.mean(out**2)) / 20e-6)
    assert (
        rms_db_spl - 98.0
        == pytest.approx(over_db, abs=0.02)
        == pytest.approx(-20 * math.log10(math.cos(math.pi / part)), abs=0.02)
    )


def test_the_sound_between_samples_of_noise_is_3_to_5_db_higher() -> None:
    stage = MpoLimiter((98.0, 98.0))
    stage.prepare(Format(RATE, 2, 4 * RATE, unit="pa"))
    noise = spl_to_pascal(104.0) * np.random.default_rng(0).standard_normal((2, 4 * RATE))
    out = stage.process(noise.astype(np.float32)).astype(np.float64)
    over_db = 20 * np.log10(np.abs(signal.resample_poly(out, 8, 1, axis=1)).max(axis=1) / peak_pa(98.0))
    assert (over_db > 3.0).all() and (over_db < 5.0).all()
