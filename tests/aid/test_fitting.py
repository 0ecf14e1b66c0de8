"""Fitting rules against gains worked out by hand from the papers' formulas."""

from pathlib import Path

import numpy as np
import pytest
from packages import install

from hearsim.aid.fitting.fitting import insertion_gain_db, prescribe
from hearsim.core.errors import HearsimError
from hearsim.core.plugins import known_names
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.profile.load import load_listener
from hearsim.profile.schema import Aid, Audiogram, Listener


def gains(rule: str, thresholds: dict[float, float]) -> dict[float, float]:
    ear = Audiogram(frequencies_hz=tuple(thresholds), thresholds_db_hl=tuple(thresholds.values()))
    return dict(zip(AUDIOMETRIC_HZ, insertion_gain_db(rule, ear.at), strict=True))


def test_nal_r_of_a_mild_loss_is_floored_at_0() -> None:
    """Flat 20 dB HL: 0.15 x 20 + 0.31 x 20 = 9.2, less 17 at 250 Hz and 8 at 500 Hz."""
    flat = gains("nal-r", {250: 20, 6000: 20})
    assert flat[250] == 0.0
    assert flat[500] == pytest.approx(1.2)
    assert flat[1000] == pytest.approx(10.2)


def test_nal_r_takes_its_mean_from_three_frequencies() -> None:
    """X = 0.05 (H500 + H1k + H2k) = 0.05 (30 + 40 + 60) = 6.5; at 2 kHz 0.31 x 60 - 1."""
    sloping = gains("nal-r", {250: 20, 500: 30, 1000: 40, 2000: 60, 4000: 80, 6000: 80})
    assert sloping[1000] == pytest.approx(6.5 + 0.31 * 40 + 1)
    assert sloping[2000] == pytest.approx(6.5 + 0.31 * 60 - 1)
    assert sloping[4000] == pytest.approx(6.5 + 0.31 * 80 - 2)


def test_nal_rp_gives_profound_losses_more_bass_and_less_treble() -> None:
    """Byrne, Parkinson & Newall 1991: with 110 dB HL at 2 kHz the row is 11 dB at 250 Hz and -6 at 4 kHz."""
    loss = {250: 80, 500: 90, 1000: 100, 2000: 110, 4000: 110, 6000: 110}
    linear, profound = gains("nal-r", loss), gains("nal-rp", loss)
    severe = 0.2 * ((90 + 100 + 110) / 3 - 60)
    assert profound[250] - linear[250] == pytest.approx(severe + 11)
    assert profound[4000] - linear[4000] == pytest.approx(severe - 6)


@pytest.mark.parametrize("rule", ["nal", "NAL-R", "", "nal-nl2"])
def test_an_unknown_rule_is_refused(rule: str) -> None:
    with pytest.raises(HearsimError, match="no installed package offers"):
        insertion_gain_db(rule, load_listener("N3").left.at)
    with pytest.raises(HearsimError, match=r"Aid: rule = .* is not known: .*'none', 'nal-r' or 'nal-rp'"):
        Aid(name="x", scenario="closed dome", rule=rule, mpo_db_spl=100)


def test_a_prescription_is_ears_by_frequencies_by_levels() -> None:
    """At 1 kHz 0.31 x 40 + 0.15 (30 + 40 + 60) / 3 + 1 on the left; no loss, no gain on the right; linear."""
    listener = Listener.from_thresholds(left={500: 30, 1000: 40, 2000: 60}, right={1000: 0}, name="Anna")
    prescription = prescribe("nal-r", listener)
    assert prescription.gain_db.shape == (2, len(prescription.frequencies_hz), len(prescription.levels_db_spl))
    at_1k = prescription.frequencies_hz.index(1000.0)
    np.testing.assert_allclose(prescription.gain_db[0, at_1k], 12.4 + 6.5 + 1)
    assert not prescription.gain_db[1].any()
    assert "right, speech at 80 dB SPL" in str(prescription) and "nal-r for Anna" in str(prescription)
    np.testing.assert_array_equal(prescribe("nal-r", "N3").gain_db[0, :, 1], gains_of("N3"))


def gains_of(name: str) -> np.ndarray:
    return insertion_gain_db("nal-r", load_listener(name).left.at)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with three rules, as pip leaves it: one follows the level, one is of a wrong shape."""
    monkeypatch.syspath_prepend(str(tmp_path))
    code = (
        "def half(thresholds, level_db_spl):\n"
        "    from hearsim.dsp.bands import AUDIOMETRIC_HZ\n"
        "    return 0.5 * thresholds(AUDIOMETRIC_HZ) - 0.1 * (level_db_spl - 65)\n"
        "def short(thresholds, level_db_spl):\n"
        "    return [1.0, 2.0]\n"
    )
    points = "[hearsim.fittings]\nhalf = own_rules:half\nshort = own_rules:short\n"
    install(tmp_path, "own-rules", points, code)
    return tmp_path


@pytest.mark.usefixtures("site")
def test_a_rule_of_another_package_fits_an_aid() -> None:
    assert known_names("hearsim.fittings")[-2:] == ["half", "short"]
    assert Aid(name="x", scenario="closed dome", rule="half", mpo_db_spl=100).rule == "half"
    listener = Listener.from_thresholds({250: 40, 6000: 60})
    gains = prescribe("half", listener).gain_db
    np.testing.assert_allclose(gains[0, [0, -1]], [[21.5, 20, 18.5], [31.5, 30, 28.5]])
    with pytest.raises(HearsimError, match=r"rule 'short' returned \[1.0, 2.0\]: .* each of the 9 frequencies"):
        prescribe("short", listener)
