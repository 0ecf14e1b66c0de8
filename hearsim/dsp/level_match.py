"""Level matching: the gains that bring signals to the level of a reference, followed slowly, sample by sample."""

import math

from numba import njit

QUIET = 1e-8  # mean square in pascals under which levels are not compared: 14 dB SPL
BOUND = 31.6  # gains stay within +-30 dB


@njit(cache=True)
def match_levels(signals, decay, powers, gains, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write the gain of each signal at each sample into `out` (signals, frames); the last signal is the reference.

    `signals` (signals, channels, frames) in pascals; `powers` and `gains` (signals,) are state: mean squares with
    the factor `decay` per sample, and the present gains. While a signal or the reference is quiet its gain stays.
    """
    count, channels, frames = signals.shape
    for n in range(frames):
        for k in range(count):
            total = 0.0
            for c in range(channels):
                x = float(signals[k, c, n])
                if math.isfinite(x):
                    total += x * x
            powers[k] = powers[k] * decay + (1.0 - decay) * total / channels
        reference = powers[count - 1]
        for k in range(count - 1):
            if powers[k] > QUIET and reference > QUIET:
                gains[k] = min(max(math.sqrt(reference / powers[k]), 1.0 / BOUND), BOUND)
            out[k, n] = gains[k]
        out[count - 1, n] = 1.0
