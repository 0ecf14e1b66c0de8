"""The compensation stage: insertion gain per ear in nine bands, compressed by level (WDRC), with no delay.

Side chain: a band-pass per band, a peak detector (instant attack, exponential release), a static curve, and one
pole that smooths the gain downwards. Main path: the minimum-phase equalizer of `hearsim.dsp.equalizer`.

ANSI S3.22 steps a 2 kHz tone 55 -> 90 -> 55 dB SPL: attack ends within 3 dB of the final output, release within
4 dB. With dG = 35 (1 - 1/CR) the gain's change in dB, a pole of tau = t_att / ln(dG / 3) and a detector that falls
by (35 - 4 / (1 - 1/CR)) dB in t_rel give the labels; the level is read every 0.73 ms, so attacks are up to 1.5 ms
longer than set, which matters under 5 ms. The labels hold for ratios in force of 1.14 and more; under that the gain
changes by less than the norm's 4 dB, so no time is defined.

A peak detector reads speech 2 to 6 dB over a tone of the same band level. Prescriptions are for speech, so the curves
count levels as those of speech (`hearsim.aid.speech_level`), and a tone reaches the knee at a level higher by that.
Stationary noise with the spectrum of speech at 65 dB SPL then gets its prescribed gain within 0.7 dB with all shipped
profiles (tests/aid/test_speech_gain.py).
"""

import math
import warnings

import numpy as np

from hearsim.aid.fitting.fitting import PRESCRIBED_AT_DB_SPL, insertion_gain_db
from hearsim.aid.speech_level import speech_detector_offset_db
from hearsim.core.arguments import check_kind, check_number, number_array
from hearsim.core.audio import EARS, Format
from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.core.processor import Processor
from hearsim.core.units import Curve, FloatArray, spl_to_pascal
from hearsim.dsp.bands import AUDIOMETRIC_HZ, analysis_sections, speech_band_levels
from hearsim.dsp.dynamics import DETECTOR_HOP, compress
from hearsim.dsp.equalizer import (
    BANDS,
    interaction_inverse,
    reached_gain_db,
    response_table,
    section,
    section_designs,
    settle_section_gains,
)
from hearsim.profile.schema import Compression, Profile

MOST_GAIN_DB = 120.0
MOST_DEVIATION_DB = 1.0  # of the aid's gain from the rule's, without a warning
REPORTED_RATE_HZ = 44100  # of the models; another rate gives other gains where the target lies beyond the sections
STEP_DB = 35.0  # ANSI S3.22: 55 -> 90 dB SPL
TIMED_ATTACK_DB, TIMED_RELEASE_DB = 3.15, 4.1
"""The least changes of gain with a defined time: the norm's time ends within 3 dB or 4 dB of the final gain."""
UNTIMED_DB = 7.0
"""The change of gain for the time constants where no time is defined: that of a ratio of 1.25."""


class Compensation(Processor):
    """Insertion gain for two ears, each with its own; pascals in, pascals out.

    `insertion_gain_db` is (2, 9): prescribed gain at `AUDIOMETRIC_HZ` for speech at 65 dB SPL. Without `compression`
    the gain is linear. A band is compressed no further than its prescribed gain goes: the extra gain for soft sound
    is at most the prescribed gain, so a band without loss stays linear. Above 6 kHz the gain is that at 6 kHz.
    """

    def __init__(self, insertion_gain_db: Curve, compression: Compression | None = None) -> None:
        gains = number_array("Compensation: insertion_gain_db", insertion_gain_db)
        if gains.shape != (2, BANDS):
            raise HearsimError(
                f"Compensation: insertion gains of the shape {gains.shape}: give (2 ears, {BANDS} bands)"
            )
        for gain in gains.flat:
            check_number("Compensation: an insertion gain in dB", float(gain), -MOST_GAIN_DB, MOST_GAIN_DB)
        cure = "give hearsim.profile.schema.Compression(ratio=2, ...)"
        check_kind(
            "Compensation: compression must be a Compression or None", compression, (Compression, type(None)), cure
        )
        self._prescribed = gains
        self._compression = compression
        self._curve = self._static_curve()

    @property
    def name(self) -> str:  # noqa: D102
        return "Compensation"

    @property
    def non_finite(self) -> tuple[int, ...]:  # noqa: D102
        return tuple(self._invalid_counts.tolist())

    def _static_curve(self) -> Curve:
        """Return (2, bands, 4): gain at the knee dB, knee dB re 1 Pa peak of a tone, slope 1 - 1/CR, floor dB."""
        curve = np.zeros((2, BANDS, 4))
        curve[..., 0] = self._prescribed
        if self._compression is not None:
            above_knee = np.maximum(speech_band_levels(PRESCRIBED_AT_DB_SPL) - self._compression.knee_db_spl, 0.0)
            bound = np.divide(self._prescribed, above_knee, out=np.full((2, BANDS), np.inf), where=above_knee > 0)
            slope = np.minimum(1 - 1 / self._compression.ratio, bound) * (self._prescribed > 0)
            curve[..., 0] += slope * above_knee
            curve[..., 1] = 20 * math.log10(math.sqrt(2) * spl_to_pascal(self._compression.knee_db_spl))
            curve[..., 2] = slope
        return curve

    def insertion_gain_db(self, overall_db_spl: float) -> Curve:
        """Return the gain (2, 9) in dB at `AUDIOMETRIC_HZ` for average speech of an overall level in dB SPL.

        It is the gain that the equalizer reaches, which differs from a target that lies beyond its sections.
        """
        check_number("Compensation: overall_db_spl", overall_db_spl, -200, 200)
        target = self._curve[..., 0].copy()
        if self._compression is not None:
            over = np.maximum(speech_band_levels(overall_db_spl) - self._compression.knee_db_spl, 0.0)
            slope = self._curve[..., 2]
            target = np.where(slope > 0, np.maximum(target - slope * over, self._curve[..., 3]), target)
        return np.stack(
            [reached_gain_db(*gains, REPORTED_RATE_HZ) for gains in zip(self._curve[..., 0], target, strict=True)]
        )

    @property
    def compression_ratio(self) -> Curve:
        """The ratio in force (2, 9) above the knee of each ear and band: 1 where the gain is linear.

        It is the set ratio, or less where the band's prescribed gain for speech at 65 dB SPL is too small for it.
        """
        ratio: Curve = 1 / (1 - self._curve[..., 2])
        return ratio

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if fmt.unit != "pa":
            raise self.refuse(fmt, "it needs pascals: put ToPascal(calibration) before it")
        if fmt.channels != 2 or fmt.stems:
            raise self.refuse(fmt, "it needs two ears, left and right, and no stems")
        if fmt.rate < 16000:
            raise self.refuse(fmt, "its bands reach 9 kHz: resample to 44100 Hz")
        self._analysis = analysis_sections(fmt.rate).reshape(BANDS, 10)
        self._designs, self._interaction_inverse = section_designs(fmt.rate), interaction_inverse(fmt.rate)
        self._table = response_table(fmt.rate)
        self._smoothing = self._time_constants(fmt.rate)
        self._detected = self._curve.copy()
        if self._compression is not None:
            for curve, release_factors in zip(self._detected, self._smoothing[..., 0], strict=True):
                curve[:, 1] += speech_detector_offset_db(fmt.rate, tuple(release_factors.tolist()))
        self._delays, self._memory = np.zeros((2, BANDS, 4)), np.zeros((2, BANDS, 2))
        self._detector_state, self._sections = np.zeros((3, 2, BANDS)), np.zeros((2, BANDS, 12))
        self._work, self._hop_position = np.zeros((2, DETECTOR_HOP)), np.zeros(2, np.int64)
        self._invalid_counts = np.zeros(2, np.int64)
        self._phase = -fmt.upstream_latency % DETECTOR_HOP
        self._out = np.zeros(fmt.shape, np.float32)
        self.process(np.zeros(fmt.shape, np.float32))  # compiles the loops here, not in the first block
        self.reset()
        return fmt

    def _time_constants(self, rate_hz: int) -> Curve:
        """Return (2, bands, 2): the detector's factor per sample, the attack's share per detector hop."""
        constants = np.ones((2, BANDS, 2))
        if self._compression is None:
            return constants
        for ear in range(2):
            for band in range(BANDS):
                change_db = STEP_DB * self._curve[ear, band, 2]
                fall_db = STEP_DB * (1 - 4 / (change_db if change_db > TIMED_RELEASE_DB else UNTIMED_DB))
                fall_samples = 1e-3 * self._compression.release_ms * rate_hz
                constants[ear, band, 0] = 10 ** (-fall_db / 20 / fall_samples)
                attack_db = change_db if change_db > TIMED_ATTACK_DB else UNTIMED_DB
                tau = 1e-3 * self._compression.attack_ms * rate_hz / math.log(attack_db / 3)
                constants[ear, band, 1] = 1 - math.exp(-DETECTOR_HOP / tau)
        return constants

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        compress(
            block,
            self._out,
            self._analysis,
            self._designs,
            self._interaction_inverse,
            self._table,
            self._detected,
            self._smoothing,
            self._delays,
            self._detector_state,
            self._sections,
            self._memory,
            self._work,
            self._hop_position,
            self._invalid_counts,
        )
        return self._out

    def reset(self) -> None:  # noqa: D102
        for state in (self._delays, self._detector_state, self._sections, self._memory):
            state.fill(0)
        self._hop_position[...] = self._phase, 0
        self._invalid_counts.fill(0)
        _, gain_db, section_db = self._detector_state
        gain_db[...] = self._curve[..., 0]  # the gain of silence
        for ear in range(2):
            settle_section_gains(gain_db[ear], section_db[ear], self._interaction_inverse, self._table)
            for band in range(BANDS):
                g, inverse_q = self._designs[band]
                section(g, inverse_q, band, BANDS, section_db[ear, band], self._sections[ear, band])


def compensation(profile: Profile) -> Compensation:
    """Return the compensation stage of a profile: each ear fitted to its own audiogram.

    A `HearsimWarning` says where it gives another gain than the rule prescribes.
    """
    gains = np.stack([insertion_gain_db(profile.aid.rule, ear.at) for ear in profile.listener.ears])
    stage = Compensation(gains, profile.aid.compression)
    reached = stage.insertion_gain_db(PRESCRIBED_AT_DB_SPL)
    for ear, wanted, given in zip(EARS, gains, reached, strict=True):
        band = int(np.argmax(np.abs(given - wanted)))
        if abs(given[band] - wanted[band]) > MOST_DEVIATION_DB:
            warnings.warn(
                f"aid {profile.aid.name}, {ear} ear: the rule {profile.aid.rule!r} prescribes {wanted[band]:.1f} dB at "
                f"{AUDIOMETRIC_HZ[band]:g} Hz, but the equalizer's bands reach {given[band]:.1f} dB there",
                HearsimWarning,
                stacklevel=2,
            )
    return stage
