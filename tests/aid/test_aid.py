"""Prescription, compressor, limiter and hearing loss against papers and norms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hearsim.aid.compensation import Compensation
from hearsim.aid.fitting.fitting import insertion_gain_db
from hearsim.aid.limiter import MpoLimiter
from hearsim.core.audio import Audio, Format
from hearsim.core.composites import Reblock
from hearsim.core.units import spl_to_pascal
from hearsim.dsp.bands import (
    AUDIOMETRIC_HZ,
    LTASS_70_DB_SPL,
    NOMINAL_THIRD_OCTAVES_HZ,
    THIRD_OCTAVES_HZ,
    speech_band_levels,
)
from hearsim.ear.hearing_loss import HOP, HearingLoss
from hearsim.metrics.sii import BANDS_HZ
from hearsim.profile.load import load_listener
from hearsim.profile.schema import Audiogram, Compression

RATE = 44100
COMPRESSION = Compression(ratio=2.0, knee_db_spl=45.0, attack_ms=5.0, release_ms=50.0)
BISGAARD = ("N1", "N2", "N3", "N4", "N5", "N6", "N7", "S1", "S2", "S3")


def pa(block: int = 512) -> Format:
    return Format(RATE, 2, block, unit="pa")


def run(stage, sound: np.ndarray, block: int = 512) -> np.ndarray:
    frames = sound.shape[1] // block * block
    return np.concatenate([stage.process(sound[:, i : i + block]).copy() for i in range(0, frames, block)], axis=1)


def tone(hz: float, db_spl: np.ndarray | float, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    mono = math.sqrt(2) * 20e-6 * 10 ** (np.asarray(db_spl) / 20) * np.sin(2 * np.pi * hz * t)
    return np.stack([mono, mono]).astype(np.float32)


def level(sound: np.ndarray) -> float:
    return 20 * math.log10(float(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) / 20e-6)


def test_nal_r_by_hand() -> None:
    """Byrne & Dillon 1986: flat 60 dB HL: 0.31 x 60 + 0.15 x 60 + k."""
    flat = Audiogram(frequencies_hz=(250, 6000), thresholds_db_hl=(60, 60))
    gains = dict(zip(AUDIOMETRIC_HZ, insertion_gain_db("nal-r", flat.at), strict=True))
    for hz, k in (
        (250, -17),
        (500, -8),
        (750, -3),
        (1000, 1),
        (1500, 1),
        (2000, -1),
        (3000, -2),
        (4000, -2),
        (6000, -2),
    ):
        assert gains[hz] == pytest.approx(27.6 + k)


def test_nal_rp_adds_for_severe_and_profound() -> None:
    """Mean of 500, 1k, 2k at 100: + 0.2 x 40; 2 kHz at 100: the row of 100 dB HL."""
    flat = Audiogram(frequencies_hz=(250, 6000), thresholds_db_hl=(100, 100))
    change = insertion_gain_db("nal-rp", flat.at) - insertion_gain_db("nal-r", flat.at)
    row = dict(zip(AUDIOMETRIC_HZ, change, strict=True))
    expected = {250: 6, 500: 4, 1000: 0, 1500: -2, 2000: -3, 3000: -3, 4000: -3, 6000: -3}
    assert {hz: round(row[hz], 9) for hz in expected} == {hz: 8.0 + c for hz, c in expected.items()}
    assert row[750] == pytest.approx(8.0 + 4 * np.log(1000 / 750) / np.log(2))  # between 500 and 1000 by log frequency


def test_no_loss_no_gain() -> None:
    normal = load_listener("normal").left
    np.testing.assert_array_equal(insertion_gain_db("nal-rp", normal.at), 0.0)


def test_third_octaves_have_their_nominal_names() -> None:
    """IEC 61260-1: a nominal frequency is its exact one, rounded: never more than 1.6 % away, none twice."""
    exact, nominal = np.array(THIRD_OCTAVES_HZ), np.array(NOMINAL_THIRD_OCTAVES_HZ)
    np.testing.assert_allclose(nominal, exact, rtol=0.016)
    assert set(BANDS_HZ) < set(nominal)  # the SII's own table has the same names


def test_speech_bands_hold_the_speech() -> None:
    """LTASS sums to its 70 dB, and the bands hold what lies between 125 Hz and 9 kHz."""
    assert 10 * np.log10(np.sum(10 ** (0.1 * np.array(LTASS_70_DB_SPL)))) == pytest.approx(70.0, abs=0.6)
    total = 10 * np.log10(np.sum(10 ** (0.1 * speech_band_levels(70.0))))
    assert 69.0 < total < 70.6


@pytest.mark.parametrize("name", BISGAARD)
def test_prescribed_gain_is_given(name: str) -> None:
    """The insertion gain measured with an impulse is the prescription, within 0.1 dB at all nine frequencies."""
    wanted = insertion_gain_db("nal-rp", load_listener(name).left.at)
    stage = Compensation(np.stack([wanted, wanted[::-1]]))
    stage.prepare(pa(8192))
    impulse = np.zeros((2, 8192), np.float32)
    impulse[:, 0] = 1e-4
    response = np.abs(np.fft.rfft(stage.process(impulse) / 1e-4, 65536))
    bins = np.round(np.array(AUDIOMETRIC_HZ) * 65536 / RATE).astype(int)
    measured = 20 * np.log10(response[:, bins])
    np.testing.assert_allclose(measured, np.stack([wanted, wanted[::-1]]), atol=0.1)


@pytest.mark.parametrize(
    ("attack_ms", "release_ms"), [(5, 50), pytest.param(10, 100, marks=pytest.mark.slow), (20, 300)]
)
@given(ratio=st.one_of(st.sampled_from([1.14, 1.2, 10.0]), st.floats(1.1, 10.0)))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_attack_and_release_of_ansi_s3_22(ratio: float, attack_ms: float, release_ms: float) -> None:
    """A 2 kHz tone 55 -> 90 -> 55 dB SPL: within 3 dB after the attack, within 4 dB after the release.

    A gain that changes by no more than these 3 or 4 dB is there at once.
    """
    stage = Compensation(
        np.full((2, 9), 40.0), Compression(ratio=ratio, knee_db_spl=30.0, attack_ms=attack_ms, release_ms=release_ms)
    )
    stage.prepare(pa())
    up, down = round(1.2 * RATE), round(2.0 * RATE)
    t = np.arange(round(2.5 * RATE + 2e-3 * release_ms * RATE)) / RATE
    out = run(stage, tone(2000, np.where((t >= up / RATE) & (t < down / RATE), 90, 55), t.size / RATE))[0]
    window = np.hanning(67) / np.hanning(67).sum()  # three periods: the level at each sample, free of ripple
    tuned = np.convolve(out * np.exp(-2j * np.pi * 2000 * t[: out.size]), 2 * window, "same")
    db = 20 * np.log10(np.abs(tuned) / np.sqrt(2) / 20e-6)
    soft, change = db[up - 2000], 35 * (1 - 1 / ratio)
    loud = soft + 35 - change
    attack = 1e3 / RATE * (30 + np.append(0, np.flatnonzero(np.abs(db[up + 30 : down - 2000] - loud) >= 3))[-1])
    release = 1e3 / RATE * (30 + np.append(0, np.flatnonzero(np.abs(db[down + 30 : -4000] - soft) >= 4))[-1])
    if change > 3.3:
        assert attack == pytest.approx(attack_ms, abs=1.5)  # two hops of the detector
        assert db[down - 2000] == pytest.approx(loud, abs=0.1)
    if change > 4.8:
        assert release == pytest.approx(release_ms, abs=1.5, rel=0.01)
    elif change > 4.2:  # the gain falls by 0.3 dB in the release time
        assert release == pytest.approx(release_ms, abs=2.0, rel=0.01)
    else:
        assert release < release_ms


def test_input_output_curve() -> None:
    """Linear below the knee, slope 1/CR above it, gain never under 0 dB."""
    stage = Compensation(np.full((2, 9), 20.0), COMPRESSION)
    gains = []
    for spl in (25, 35, 60, 70, 110):
        stage.prepare(pa())
        out = run(stage, tone(2000, spl, 0.6))
        gains.append(level(out[:, -8192:]) - spl)
    assert gains[0] == pytest.approx(gains[1], abs=0.1)
    assert gains[2] - gains[3] == pytest.approx(5.0, abs=0.2)
    assert gains[4] == pytest.approx(0.0, abs=0.5)


def test_ears_are_apart() -> None:
    stage = Compensation(np.stack([np.full(9, 20.0), np.zeros(9)]), COMPRESSION)
    stage.prepare(pa())
    sound = tone(1000, 60, 0.4)
    out = run(stage, sound)
    np.testing.assert_array_equal(out[1], sound[1, : out.shape[1]])  # 0 dB: bit for bit
    assert level(out[0]) > level(sound[0]) + 10


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (2, 256), elements=FLOATS))
def test_nothing_passes_the_mpo(sound: np.ndarray) -> None:
    stage = MpoLimiter((90.0, 100.0))
    stage.prepare(pa(256))
    for block in (sound, sound[:, ::-1].copy(), np.zeros_like(sound)):
        out = stage.process(block)
        assert np.isfinite(out).all()
        for ear, mpo in enumerate((90.0, 100.0)):
            assert np.abs(out[ear]).max() <= math.sqrt(2) * spl_to_pascal(mpo)
    assert sum(stage.non_finite) == 2 * np.count_nonzero(~np.isfinite(sound))


def test_below_the_mpo_nothing_is_touched() -> None:
    sound = tone(500, 89.9, 0.5)
    stage = MpoLimiter((90.0, 90.0))
    stage.prepare(pa())
    out = run(stage, sound)
    late = stage.latency
    np.testing.assert_array_equal(out[:, late:], sound[:, : out.shape[1] - late])
    assert stage.events == (0, 0)


def test_limited_tone_is_clean_and_counted() -> None:
    """6 dB over the limit: the gain holds still, so distortion stays under 1 %; then it lets go again."""
    stage = MpoLimiter((90.0, 120.0))
    stage.prepare(pa())
    out = run(stage, tone(1000, 96, 1.0))[0, 8192 : 8192 + 22050]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
    harmonics = [spectrum[round(n * 1000 * out.size / RATE)] for n in (1, 2, 3, 4, 5)]
    assert math.sqrt(sum(h * h for h in harmonics[1:])) / harmonics[0] < 0.01
    assert stage.events == (1, 0)
    sound = tone(1000, 80, 1.0)
    after = run(stage, sound)
    np.testing.assert_array_equal(after[0, -512:], sound[0, after.shape[1] - 512 - 44 : after.shape[1] - 44])


@pytest.mark.parametrize("hz", [250, 1000, 4000])
@pytest.mark.parametrize("spl", [50, 70, 90, 110])
def test_recruitment_of_a_tone(hz: float, spl: float) -> None:
    """Moore & Glasberg 1993: (L - H) C / (C - H) over the normal threshold, as itself from C on."""
    loss, catch_up = 40.0, 100.0
    quiet = {250: 11.4, 1000: 2.4, 4000: -5.4}[hz]  # ISO 389-7
    ear = Audiogram(frequencies_hz=(250,), thresholds_db_hl=(loss,))
    stage = Reblock(HearingLoss((ear, ear)), HOP)
    stage.prepare(pa())
    out = run(stage, tone(hz, spl, 1.0))[:, -16384:]
    heard = spl - quiet
    expected = heard if heard >= catch_up else (heard - loss) * catch_up / (catch_up - loss)
    if expected > 0:
        assert level(out) - quiet == pytest.approx(expected, abs=1.0)
    else:
        assert level(out) - quiet < 1.0  # not heard


def test_normal_hearing_changes_nothing_and_is_on_time() -> None:
    ears = load_listener("normal").ears
    sound = Audio(tone(700, 70, 0.5), RATE)
    stage = Reblock(HearingLoss(ears), HOP)
    stage.prepare(pa(HOP))
    assert stage.latency == 768
    out = np.concatenate([stage.process(sound.samples[:, i : i + HOP]).copy() for i in range(0, 20480, HOP)], axis=1)
    np.testing.assert_allclose(
        out[:, 768:], sound.samples[:, : 20480 - 768], atol=1e-6 * np.abs(sound.samples).max() * 4
    )
