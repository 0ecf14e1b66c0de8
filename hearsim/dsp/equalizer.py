"""A minimum-phase equalizer of nine sections whose gains may move at any sample.

The last section is a broadband gain, the first a low shelf, the others bells: the sections carry differences from
the gain of the highest band, which so holds up to the Nyquist rate. State-variable form, trapezoidal (Simper 2013,
"Solving the continuous SVF equations using trapezoidal integration"), gain A^2:  y = m0 x + m1 v1 + m2 v2,  with
v1 the band-pass and v2 the low-pass output.
    bell:       g = tan(pi f / fs), 1/Q -> 1/(Q A);  m = (1, (A^2 - 1)/(Q A), 0)
    low shelf:  g / sqrt A;  m = (1, (A - 1)/Q, A^2 - 1)
    broadband:  m = (A^2, 0, 0)
At 0 dB m is (1, 0, 0): the input passes bit for bit, with no delay. Neighbouring sections interact; the
inverse interaction matrix (Abel & Berners 2004; Välimäki & Liski 2017) compensates most of it, and a table of each
section's response over its gain the rest: section gains are corrected once a hop by the remaining error at the nine
frequencies.

Why the correction can't diverge. Some gains can't be reached by nine sections of second order (0 dB between two
neighbours of 60 dB): each correction then is larger than the last. So
1. every section gain stays within +-TABLE_DB, which bounds all coefficients;
2. for constant gains the error at the nine frequencies (root of the sum of squares) never grows beyond the greater
   of what it was and `TOLERANCE_DB`: a correction that would increase it is halved up to `HALVINGS` times, then
   omitted;
3. the state stays bounded as well. With no input a section maps its two states by M = ((2 a1 - 1, -2 a2),
   (2 a2, 1 - 2 a3)). By the midpoint rule |z'|^2 - |z|^2 = -4 g k v1^2 <= 0 for all g, k > 0, so M never makes the
   state longer; and M is affine in (a1, a2, a3), so coefficients on the straight line between two sections, as they
   travel within a hop, have a convex mean of two such M, which does not either.
Where the gains can be reached and the full correction lowers the error, it is used unchanged.
"""

import functools
import math

import numpy as np

from hearsim.core.units import Curve
from hearsim.dsp.bands import AUDIOMETRIC_HZ, BAND_EDGES_HZ
from hearsim.dsp.compiled import compiled

BANDS = len(AUDIOMETRIC_HZ)
SHELF_Q = math.sqrt(0.5)
PROTOTYPE_DB = 10.0  # the gain at which the interaction of sections is taken for the matrix
TABLE_DB = 80  # section gains stay within -80 .. +80 dB; responses are tabled for them, a dB apart
TOLERANCE_DB = 3.0  # root of the sum of squares over nine frequencies: 1 dB each; under it corrections are free
SETTLING = 40  # corrections until constant gains within reach are right to 1e-6 dB
HALVINGS = 4  # of a correction that would increase the error, before it is omitted


def section_designs(rate_hz: int) -> Curve:
    """Return (bands, 2): g = tan(pi f / fs) and 1/Q of each section."""
    designs = np.empty((BANDS, 2))
    for band, (centre, low, high) in enumerate(zip(AUDIOMETRIC_HZ, BAND_EDGES_HZ, BAND_EDGES_HZ[1:], strict=False)):
        if band == 0:
            designs[band] = math.tan(math.pi * high / rate_hz), 1 / SHELF_Q
        elif band == BANDS - 1:
            designs[band] = math.tan(math.pi * low / rate_hz), 1 / SHELF_Q  # unused by a broadband gain
        else:
            designs[band] = math.tan(math.pi * centre / rate_hz), (high - low) / centre
    return designs


@compiled
def section(shape_g, inverse_q, band, bands, gain_db, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write a1 a2 a3 m0 m1 m2 of one section for a gain in dB into out (6,)."""
    a = 10.0 ** (gain_db / 40.0)
    g, k = shape_g, inverse_q
    if band == 0:
        g = g / math.sqrt(a)
        out[3], out[4], out[5] = 1.0, k * (a - 1.0), a * a - 1.0
    elif band == bands - 1:
        out[3], out[4], out[5] = a * a, 0.0, 0.0
    else:
        k = k / a
        out[3], out[4], out[5] = 1.0, k * (a * a - 1.0), 0.0
    out[0] = 1.0 / (1.0 + g * (g + k))
    out[1] = g * out[0]
    out[2] = g * out[1]


def response_db(gains_db: Curve, frequencies_hz: Curve, rate_hz: int) -> Curve:
    """Return the gain in dB at frequencies of the sections set to `gains_db` (bands,); analytic, for design.

    A section at 0 dB is exactly 1 and is left out.
    """
    designs = section_designs(rate_hz)
    s = 1j * np.tan(np.pi * np.asarray(frequencies_hz, np.float64) / rate_hz)  # bilinear, prewarped
    total = np.ones(len(s), np.complex128)
    coefficients = np.empty(6)
    for band in np.flatnonzero(gains_db):
        section(designs[band, 0], designs[band, 1], band, BANDS, float(gains_db[band]), coefficients)
        a1, a2, _, m0, m1, m2 = coefficients
        g = a2 / a1
        k = (1 / a1 - 1) / g - g
        x = s / g
        denominator = x * x + k * x + 1
        total *= m0 + m1 * x / denominator + m2 / denominator
    return np.asarray(20 * np.log10(np.abs(total)), np.float64)


def interaction_inverse(rate_hz: int) -> Curve:
    """Return the matrix (bands, bands) that turns gains at the nine frequencies into section gains, in dB.

    The inverse of the interaction matrix of Abel & Berners 2004: each section's response at each frequency, per dB.
    """
    table = response_table(rate_hz)
    interaction = table[:, :, TABLE_DB + round(PROTOTYPE_DB)].T / PROTOTYPE_DB
    return np.asarray(np.linalg.inv(interaction), np.float64)


def settle_section_gains(target_db: Curve, section_db: Curve, inverse: Curve, table: Curve) -> None:
    """Correct `section_db` (bands,) in place until it gives constant gains; arguments as of `refine_section_gains`."""
    for _ in range(SETTLING):
        refine_section_gains(target_db, section_db, inverse, table)


def reached_gain_db(first_db: Curve, target_db: Curve, rate_hz: int) -> Curve:
    """Return the gain (bands,) in dB at the nine frequencies, settled on `first_db`, then on `target_db`."""
    sections, inverse, table = np.zeros(BANDS), interaction_inverse(rate_hz), response_table(rate_hz)
    for target in (first_db, target_db):
        settle_section_gains(target, sections, inverse, table)
    return response_db(sections, np.array(AUDIOMETRIC_HZ), rate_hz)


@functools.lru_cache(maxsize=8)
def response_table(rate_hz: int) -> Curve:
    """Return (section, frequency, 2 TABLE_DB + 1): each section's gain in dB at the nine frequencies."""
    table = np.empty((BANDS, BANDS, 2 * TABLE_DB + 1))
    for band in range(BANDS):
        for index in range(2 * TABLE_DB + 1):
            gains = np.zeros(BANDS)
            gains[band] = index - TABLE_DB
            table[band, :, index] = response_db(gains, np.array(AUDIOMETRIC_HZ), rate_hz)
    return table


@compiled
def refine_section_gains(  # type: ignore[no-untyped-def]
    target_db, section_db, interaction_inverse, table
):  # pragma: no cover
    """Correct section gains (bands,) towards a response of `target_db` (bands,), in dB, within the bounds above."""
    bands = target_db.shape[0]
    residual, trial, trial_residual = np.empty(BANDS), np.empty(BANDS), np.empty(BANDS)
    error = _residual_gains(target_db, section_db, table, residual)
    step = 1.0
    for _ in range(HALVINGS + 1):
        for b in range(bands):
            trial[b] = section_db[b]
            for j in range(bands):
                trial[b] += step * interaction_inverse[b, j] * residual[j]
            trial[b] = min(max(trial[b], -TABLE_DB), TABLE_DB)
        trial_error = _residual_gains(target_db, trial, table, trial_residual)
        if trial_error < error or trial_error < TOLERANCE_DB**2:
            for b in range(bands):
                section_db[b] = trial[b]
            return
        step *= 0.5


@compiled
def _residual_gains(target_db, section_db, table, residual):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write the error of the response at the nine frequencies in dB; return its sum of squares, dB^2."""
    bands = target_db.shape[0]
    half = (table.shape[2] - 1) // 2
    for j in range(bands):
        residual[j] = target_db[j]
    for b in range(bands):
        place = min(max(section_db[b] + half, 0.0), table.shape[2] - 1.001)
        index = int(place)
        share = place - index
        for j in range(bands):
            residual[j] -= table[b, j, index] + share * (table[b, j, index + 1] - table[b, j, index])
    total = 0.0
    for j in range(bands):
        total += residual[j] * residual[j]
    return total
