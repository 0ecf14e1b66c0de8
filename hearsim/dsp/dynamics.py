"""The sample loops: multiband compressor, peak limiter, the vent's filter. Plain arrays; state is written in place.

Loops run sample by sample in one order, with a hop counter kept in the state, so results do not depend on the
block: no `fastmath`, no parallel loops. States that decay under 1e-30 are set to zero at each hop, so silence
after sound never meets denormal numbers. Invalid samples (`hearsim.core.invalid_samples`) are counted as
silence.
"""

import math

import numpy as np

from hearsim.core.invalid_samples import MAX_PRESSURE_PA
from hearsim.dsp.compiled import compiled
from hearsim.dsp.equalizer import refine_section_gains, section

DETECTOR_HOP = 32  # samples between two readings of the level: 0.73 ms at 44.1 kHz
TINY = 1e-30


@compiled
def compress(  # type: ignore[no-untyped-def]
    block,
    out,
    analysis,
    designs,
    interaction_inverse,
    table,
    curve,
    smoothing,
    delays,
    detector_state,
    sections,
    memory,
    work,
    hop_position,
    invalid_counts,
):  # pragma: no cover
    """Compress one block (2 ears, frames) in pascals into `out`.

    Tables: `analysis` (bands, 10) two band-pass sections, b0 b1 b2 a1 a2 each; `designs`, `interaction_inverse`,
    `table` of the equalizer; `curve` (2, bands, 4): gain at the knee dB, knee dB re 1 Pa peak, slope 1 - 1/CR,
    floor dB; `smoothing` (2, bands, 2): release factor per sample, attack share per hop.
    State: `delays` (2, bands, 4) of the band-passes; `detector_state` (3, 2, bands): peak, gain dB, section gain dB;
    `sections` (2, bands, 12): a1 a2 a3 m0 m1 m2 and their change per sample; `memory` (2, bands, 2);
    `work` (2, DETECTOR_HOP) scratch; `hop_position` (2,): place in the hop, whether sound has begun (until then
    the state is constant, so the initial silence, whose length depends on the block, does not change the last bit);
    `invalid_counts` (2,): invalid samples.
    The output is finite for any input: section gains are bounded (`hearsim.dsp.equalizer`), and no output sample is
    over one atmosphere, `MAX_PRESSURE_PA`.
    Within a hop each band runs over all its samples at once, both ears side by side: their recursions overlap in
    the processor.
    """
    frames = block.shape[1]
    n = 0
    while n < frames:
        if hop_position[0] == 0 and (hop_position[1] or np.any(detector_state[0] > 0.0)):
            hop_position[1] = 1
            _read_levels(curve, smoothing, detector_state)
            _move_sections(designs, interaction_inverse, table, detector_state, sections)
            _flush(delays)
            _flush(memory)
            _flush(detector_state[0:1])
        end = min(frames, n + DETECTOR_HOP - hop_position[0])
        hop_position[0] = (hop_position[0] + end - n) % DETECTOR_HOP
        for e in range(2):
            for i in range(end - n):
                x = float(block[e, n + i])
                if not abs(x) <= MAX_PRESSURE_PA:  # NaN too
                    x = 0.0
                    invalid_counts[e] += 1
                work[e, i] = x
        for b in range(analysis.shape[0]):
            _detect(work, end - n, analysis[b], delays[0, b], delays[1, b], detector_state[0], smoothing, b)
        last = analysis.shape[0] - 1
        for e in range(2):
            _shelf(work[e, : end - n], sections[e, 0], memory[e, 0])
        for b in range(1, last):
            _bells(work, end - n, sections[0, b], sections[1, b], memory[0, b], memory[1, b])
        for e in range(2):
            gain, change = sections[e, last, 3], sections[e, last, 9]
            for i in range(end - n):
                gain += change
                out[e, n + i] = min(max(gain * work[e, i], -MAX_PRESSURE_PA), MAX_PRESSURE_PA)
            sections[e, last, 3] = gain
        n = end


@compiled
def _detect(work, frames, k, left, right, peaks, smoothing, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Run one band-pass of both ears over the samples and follow its peaks."""
    b0, b1, b2, a1, a2, c0, c1, c2, d1, d2 = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8], k[9]
    l0, l1, l2, l3 = left[0], left[1], left[2], left[3]
    r0, r1, r2, r3 = right[0], right[1], right[2], right[3]
    peak_l, peak_r = peaks[0, b], peaks[1, b]
    fall_l, fall_r = smoothing[0, b, 0], smoothing[1, b, 0]
    for i in range(frames):
        u = work[0, i]
        v = b0 * u + l0
        l0 = b1 * u - a1 * v + l1
        l1 = b2 * u - a2 * v
        w = c0 * v + l2
        l2 = c1 * v - d1 * w + l3
        l3 = c2 * v - d2 * w
        peak_l = max(abs(w), peak_l * fall_l)
        u = work[1, i]
        v = b0 * u + r0
        r0 = b1 * u - a1 * v + r1
        r1 = b2 * u - a2 * v
        w = c0 * v + r2
        r2 = c1 * v - d1 * w + r3
        r3 = c2 * v - d2 * w
        peak_r = max(abs(w), peak_r * fall_r)
    left[0], left[1], left[2], left[3] = l0, l1, l2, l3
    right[0], right[1], right[2], right[3] = r0, r1, r2, r3
    peaks[0, b], peaks[1, b] = peak_l, peak_r


@compiled
def _shelf(work, k, memory):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Run a low shelf over the samples of one ear, in place, with ramped coefficients."""
    a1, a2, a3, m1, m2 = k[0], k[1], k[2], k[4], k[5]
    z1, z2 = memory[0], memory[1]
    for i in range(work.shape[0]):
        a1, a2, a3, m1, m2 = a1 + k[6], a2 + k[7], a3 + k[8], m1 + k[10], m2 + k[11]
        v1 = a2 * work[i] + (a1 * z1 - a2 * z2)
        v2 = a3 * work[i] + (z2 + a2 * z1 - a3 * z2)
        z1, z2 = 2.0 * v1 - z1, 2.0 * v2 - z2
        work[i] += m1 * v1 + m2 * v2
    k[0], k[1], k[2], k[4], k[5] = a1, a2, a3, m1, m2
    memory[0], memory[1] = z1, z2


@compiled
def _bells(work, frames, left, right, left_memory, right_memory):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Run one bell of both ears over the samples, in place, with ramped coefficients."""
    la1, la2, la3, lm, ra1, ra2, ra3, rm = (
        left[0],
        left[1],
        left[2],
        left[4],
        right[0],
        right[1],
        right[2],
        right[4],
    )
    ld1, ld2, ld3, ldm = left[6], left[7], left[8], left[10]
    rd1, rd2, rd3, rdm = right[6], right[7], right[8], right[10]
    l1, l2, r1, r2 = left_memory[0], left_memory[1], right_memory[0], right_memory[1]
    for i in range(frames):
        la1, la2, la3, lm = la1 + ld1, la2 + ld2, la3 + ld3, lm + ldm
        v1 = la2 * work[0, i] + (la1 * l1 - la2 * l2)
        v2 = la3 * work[0, i] + (l2 + la2 * l1 - la3 * l2)
        l1, l2 = 2.0 * v1 - l1, 2.0 * v2 - l2
        work[0, i] += lm * v1
        ra1, ra2, ra3, rm = ra1 + rd1, ra2 + rd2, ra3 + rd3, rm + rdm
        v1 = ra2 * work[1, i] + (ra1 * r1 - ra2 * r2)
        v2 = ra3 * work[1, i] + (r2 + ra2 * r1 - ra3 * r2)
        r1, r2 = 2.0 * v1 - r1, 2.0 * v2 - r2
        work[1, i] += rm * v1
    left[0], left[1], left[2], left[4], right[0], right[1], right[2], right[4] = (
        la1,
        la2,
        la3,
        lm,
        ra1,
        ra2,
        ra3,
        rm,
    )
    left_memory[0], left_memory[1], right_memory[0], right_memory[1] = l1, l2, r1, r2


@compiled
def _flush(state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Set numbers that decay towards the denormal range to zero."""
    flat = state.ravel()
    for i in range(flat.shape[0]):
        if abs(flat[i]) < TINY:
            flat[i] = 0.0


@compiled
def _read_levels(curve, smoothing, detector_state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Move the gain of each band towards its target at the detected level."""
    for e in range(detector_state.shape[1]):
        for b in range(detector_state.shape[2]):
            target = curve[e, b, 0]
            if curve[e, b, 2] > 0.0 and detector_state[0, e, b] > 0.0:
                over = 20.0 * math.log10(detector_state[0, e, b]) - curve[e, b, 1]
                if over > 0.0:
                    target = max(curve[e, b, 3], curve[e, b, 0] - curve[e, b, 2] * over)
            if target < detector_state[1, e, b]:
                detector_state[1, e, b] += smoothing[e, b, 1] * (target - detector_state[1, e, b])
            else:
                detector_state[1, e, b] = target  # the detector's own decay is the release


@compiled
def _move_sections(  # type: ignore[no-untyped-def]
    designs, interaction_inverse, table, detector_state, sections
):  # pragma: no cover
    """Ramp the sections to the current gains within the next hop."""
    bands = designs.shape[0]
    for e in range(detector_state.shape[1]):
        refine_section_gains(detector_state[1, e], detector_state[2, e], interaction_inverse, table)
        for b in range(bands):
            row = sections[e, b]
            section(designs[b, 0], designs[b, 1], b, bands, detector_state[2, e, b], row[6:])
            for i in range(6):
                row[6 + i] = (row[6 + i] - row[i]) / DETECTOR_HOP


@compiled
def limit(  # type: ignore[no-untyped-def]
    block, out, ceiling, release, line, needs, holds, state, counts
):  # pragma: no cover
    """Limit one block (ears, frames) to |y| <= ceiling[ear], late by the look-ahead; below it bit for bit.

    The gain a sample needs is min(1, ceiling / |x|). Its minimum over the look-ahead, released exponentially and
    averaged over the look-ahead, has reached each peak's own need when the peak leaves the delay line.
    `line`, `needs`, `holds` are rings (ears, look-ahead + 1); `state` (ears, 3) holds position, released gain and
    samples until the gain is one again; `counts` (ears, 3): events, limited samples, non-finite samples.
    """
    ears, frames = block.shape
    size = line.shape[1]
    for e in range(ears):
        for n in range(frames):
            x = block[e, n]
            if not math.isfinite(x):
                x = block.dtype.type(0.0)
                counts[e, 2] += 1
            position = int(state[e, 0])
            magnitude = abs(float(x))
            need = ceiling[e] / magnitude if magnitude > ceiling[e] else 1.0
            line[e, position] = x
            needs[e, position] = need
            if need < 1.0:
                if state[e, 2] == 0.0:
                    counts[e, 0] += 1
                state[e, 2] = 2.0 * size
            gain = 1.0
            if state[e, 2] > 0.0:
                lowest = 1.0
                for i in range(size):
                    lowest = min(lowest, needs[e, i])
                released = state[e, 1] + (1.0 - state[e, 1]) * release
                if released > 0.999999:
                    released = 1.0
                state[e, 1] = min(lowest, released)
                if state[e, 1] < 1.0:
                    state[e, 2] = 2.0 * size
                else:
                    state[e, 2] -= 1.0
                holds[e, position] = state[e, 1]
                total = 0.0
                for i in range(size):
                    total += holds[e, i]
                gain = min(1.0, total / size)
            else:
                holds[e, position] = 1.0
            position = position + 1 if position + 1 < size else 0
            state[e, 0] = position
            delayed = line[e, position]
            if gain < 1.0:
                counts[e, 1] += 1
                y = float(delayed) * gain
                out[e, n] = min(max(y, -ceiling[e]), ceiling[e])
            else:
                out[e, n] = min(max(float(delayed), -ceiling[e]), ceiling[e])


@compiled
def split(block, low, high, b, a, state, invalid_counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Split one block (channels, frames) by a first-order low-pass: b (1 + z^-1) / (1 + a z^-1), and the rest.

    State: `state` (channels,) of the filter, zero once it is under 1e-30; `invalid_counts` (channels,): invalid
    samples.
    """
    for c in range(block.shape[0]):
        z = state[c]
        for n in range(block.shape[1]):
            x = block[c, n]
            if not abs(x) <= MAX_PRESSURE_PA:  # NaN too
                x = block.dtype.type(0.0)
                invalid_counts[c] += 1
            y = b * x + z
            z = b * x - a * y
            if abs(z) < TINY:
                z = 0.0
            low[c, n] = y
            high[c, n] = x - low[c, n]
        state[c] = z
