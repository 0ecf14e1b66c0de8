"""The vent against the responses of first-order filters and of a comb, worked out by hand."""

import numpy as np
import pytest

from hearsim.core.audio import Format
from hearsim.ear.vent import DirectSound, VentLeak, vent_comb

RATE = 44100


def response_db(stage: DirectSound, hz: float) -> float:
    stage.prepare(Format(RATE, 2, RATE, unit="pa"))
    impulse = np.zeros((2, RATE), np.float32)
    impulse[:, 0] = 1.0
    spectrum = np.fft.rfft(stage.process(impulse)[0].astype(np.float64))  # a bin a hertz
    return float(20 * np.log10(np.abs(spectrum[round(hz)])))


def test_direct_sound_is_3_db_down_at_the_cutoff() -> None:
    assert response_db(DirectSound(1000.0), 1000) == pytest.approx(-3.01, abs=0.02)
    assert response_db(DirectSound(1000.0), 50) == pytest.approx(0.0, abs=0.02)
    assert response_db(DirectSound(1000.0), 4000) == pytest.approx(-12.5, abs=0.4)


def test_the_leak_is_the_complement() -> None:
    assert response_db(VentLeak(1000.0), 1000) == pytest.approx(-3.01, abs=0.02)
    assert response_db(VentLeak(1000.0), 100) == pytest.approx(-20.0, abs=0.2)


def test_comb_of_equal_sounds_5_ms_apart() -> None:
    comb = vent_comb(5.0, 6.0206)
    assert comb["spacing_hz"] == pytest.approx(200.0)
    assert comb["first_notch_hz"] == pytest.approx(100.0)
    assert comb["ripple_db"] == pytest.approx(20 * np.log10(3.0), abs=1e-3)  # (1 + 2) / |1 - 2|
