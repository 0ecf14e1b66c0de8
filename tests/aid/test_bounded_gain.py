"""No audiogram, no setting and no sound makes the compensation stage run away."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearsim.aid.compensation import Compensation
from hearsim.aid.fitting.fitting import insertion_gain_db
from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Format
from hearsim.core.composites import Chain
from hearsim.core.invalid_samples import MAX_PRESSURE_PA
from hearsim.core.units import spl_to_pascal
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.dsp.equalizer import (
    BANDS,
    TABLE_DB,
    TOLERANCE_DB,
    interaction_inverse,
    refine_section_gains,
    response_db,
    response_table,
    section,
    section_designs,
)
from hearsim.ear.ear import Ear
from hearsim.profile.schema import Aid, Audiogram, Compression, Listener, Profile, Vent

RATE, BLOCK = 44100, 512
THRESHOLD = st.integers(-2, 13).map(lambda step: 10.0 * step)
STEEP = ({4000: 10, 6000: 120}, {250: 0, 500: 90}, {250: 130, 500: 0, 1000: 130, 2000: 0, 4000: 130})


@st.composite
def listeners(draw: st.DrawFn) -> Listener:
    ears = [dict(zip(AUDIOMETRIC_HZ, draw(st.lists(THRESHOLD, min_size=9, max_size=9)), strict=True)) for _ in "lr"]
    return Listener.from_thresholds(left=ears[0], right=ears[1])


@st.composite
def aids(draw: st.DrawFn) -> Aid:
    compression = Compression(
        ratio=draw(st.floats(1, 10)),
        knee_db_spl=draw(st.floats(20, 100)),
        attack_ms=draw(st.floats(0.5, 100)),
        release_ms=draw(st.floats(5, 5000)),
    )
    return Aid(
        name="any",
        scenario="closed dome",
        block_samples=BLOCK,
        rule=draw(st.sampled_from(["nal-r", "nal-rp"])),
        mpo_db_spl=draw(st.floats(60, 108)),
        compression=draw(st.sampled_from([None, compression])),
        vent=draw(st.one_of(st.none(), st.floats(20, 8000).map(lambda hz: Vent(cutoff_hz=hz)))),
    )


def tone(hz: float, db_spl: float, frames: int) -> np.ndarray:
    mono = math.sqrt(2) * spl_to_pascal(db_spl) * np.sin(2 * np.pi * hz * np.arange(frames) / RATE)
    return np.stack([mono, mono]).astype(np.float32)


def sounds(hz: float, db_spl: float, seed: int) -> np.ndarray:
    """A tone, noise 140 dB SPL loud, no numbers at all, and silence; in pascals."""
    noise = (spl_to_pascal(140.0) * np.random.default_rng(seed).standard_normal((2, 4 * BLOCK))).astype(np.float32)
    invalid = np.array([np.nan, np.inf, -np.inf, 3e38], np.float32)[np.arange(2 * BLOCK) % 4]
    silence = np.zeros((2, 2 * BLOCK), np.float32)
    return np.concatenate([tone(hz, db_spl, 8 * BLOCK), noise, np.stack([invalid, invalid]), silence], axis=1)


def check_finite(stage: Compensation, sound: np.ndarray) -> None:
    stage.prepare(Format(RATE, 2, BLOCK, unit="pa"))
    for start in range(0, sound.shape[1], BLOCK):
        out = stage.process(sound[:, start : start + BLOCK])
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= MAX_PRESSURE_PA
        assert np.abs(stage._detector_state[2]).max() <= TABLE_DB
        assert np.isfinite(stage._sections).all() and np.isfinite(stage._memory).all()


@settings(max_examples=50, deadline=None)
@given(listeners(), aids(), st.floats(100, 16000), st.floats(0, 140), st.integers(0, 1000))
def test_every_profile_gives_finite_sound(listener: Listener, aid: Aid, hz: float, db_spl: float, seed: int) -> None:
    """The compensation alone, then the whole aid and the ear behind it; all but the network."""
    profile = Profile(listener, aid=aid)
    chain = Chain(*hearing_aid(profile, separation=Chain()).stages[1:])
    sound = sounds(hz, db_spl, seed)
    check_finite(chain.stages[1], sound)  # type: ignore[arg-type]
    ear = Ear(profile)
    chain.prepare(Format(RATE, 2, BLOCK))
    ear.prepare(Format(RATE, 2, BLOCK))
    full_scale = sound / np.float32(profile.rig.microphone.pascal_per_unit)
    for start in range(0, sound.shape[1], BLOCK):
        block = full_scale[:, start : start + BLOCK]
        aided = chain.process(block)
        assert np.isfinite(aided).all() and np.isfinite(ear.process(aided, block)).all()


@pytest.mark.parametrize("thresholds", STEEP, ids=str)
@pytest.mark.parametrize("rule", ["nal-r", "nal-rp"])
@pytest.mark.parametrize("hz", [250, 1000, 2000, 4000])
def test_loud_tones_and_steep_losses(thresholds: dict[float, float], rule: str, hz: float) -> None:
    """125 dB SPL into ratio 4 from 40 dB SPL on: a band at 0 dB between neighbours of 60 dB and more."""
    ear = Audiogram(frequencies_hz=tuple(thresholds), thresholds_db_hl=tuple(thresholds.values()))
    gains = insertion_gain_db(rule, ear.at)
    compression = Compression(ratio=4.0, knee_db_spl=40.0, attack_ms=5.0, release_ms=100.0)
    check_finite(Compensation(np.stack([gains, gains]), compression), tone(hz, 125, 16 * BLOCK))


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 120), st.lists(st.floats(-15, 15), min_size=8, max_size=8), st.sampled_from(["nal-r", "nal-rp"]))
def test_audiograms_up_to_15_db_between_neighbours_get_their_gain(first: float, steps: list[float], rule: str) -> None:
    levels = [first]
    for step in steps:
        levels.append(min(max(levels[-1] + step, -20.0), 130.0))
    ear = Audiogram(frequencies_hz=AUDIOMETRIC_HZ, thresholds_db_hl=tuple(levels))
    gains = insertion_gain_db(rule, ear.at)
    np.testing.assert_allclose(Compensation(np.stack([gains, gains])).insertion_gain_db(65.0)[0], gains, atol=0.1)


def test_a_steep_audiogram_gets_the_gain_that_is_documented() -> None:
    ear = Audiogram(frequencies_hz=(250, 4000, 6000), thresholds_db_hl=(10, 10, 120))
    gains = insertion_gain_db("nal-r", ear.at)
    reached = Compensation(np.stack([gains, gains])).insertion_gain_db(65.0)[0]
    assert (reached - gains)[0] == pytest.approx(2.2, abs=0.1)


gains_db = st.lists(st.floats(0, 120), min_size=BANDS, max_size=BANDS)


def error_db(wanted: np.ndarray, sections: np.ndarray) -> float:
    return float(np.linalg.norm(wanted - response_db(sections, np.array(AUDIOMETRIC_HZ), RATE)))


@settings(max_examples=100, deadline=None)
@given(gains_db, gains_db)
def test_a_correction_never_makes_the_response_worse(before: list[float], wanted: list[float]) -> None:
    """From the sections of any gains towards any others, out of reach or not."""
    undo, table = interaction_inverse(RATE), response_table(RATE)
    sections = np.zeros(BANDS)
    for _ in range(20):
        refine_section_gains(np.array(before), sections, undo, table)
    errors = [error_db(np.array(wanted), sections)]
    for _ in range(40):
        refine_section_gains(np.array(wanted), sections, undo, table)
        errors.append(error_db(np.array(wanted), sections))
        assert np.abs(sections).max() <= TABLE_DB
    worse = np.diff(errors)[np.array(errors[1:]) > TOLERANCE_DB + 0.02]
    assert (worse < 0.02).all()  # the table is linear between whole dB


@settings(max_examples=200, deadline=None)
@given(st.integers(0, BANDS - 2), st.floats(-TABLE_DB, TABLE_DB), st.floats(-TABLE_DB, TABLE_DB), st.floats(0, 1))
def test_a_section_on_its_way_never_grows_by_itself(band: int, start: float, end: float, share: float) -> None:
    """The map of its two states has no singular value over one, nor has any between two sections."""
    rows = np.empty((2, 6))
    g, inverse_q = section_designs(RATE)[band]
    for row, gain in zip(rows, (start, end), strict=True):
        section(g, inverse_q, band, BANDS, gain, row)
    a1, a2, a3 = ((1 - share) * rows[0] + share * rows[1])[:3]
    states = np.array([[2 * a1 - 1, -2 * a2], [2 * a2, 1 - 2 * a3]])
    assert np.linalg.svd(states, compute_uv=False).max() <= 1 + 1e-12
