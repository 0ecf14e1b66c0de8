"""With a vent the gain at the eardrum is that of leak and direct sound; the report and `hearsim show` say so."""

import re

import numpy as np
import pytest
from report_sample import EXCERPTS, sample

from hearsim.aid.compensation import compensation
from hearsim.aid.speech_level import speech_noise
from hearsim.cli.tables import eardrum, fitting
from hearsim.core.audio import Format
from hearsim.core.units import Curve
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.ear.vent import DirectSound, VentLeak
from hearsim.profile.aid import Aid, Vent
from hearsim.profile.schema import Profile
from hearsim.report.figures import measured_gain
from hearsim.report.page import page
from hearsim.report.report_json import fitting as fitting_of
from hearsim.report.spectra import GAIN_BANDS_HZ

RATE, SECONDS = 44100, 4
VENT = Vent(cutoff_hz=4000)
OPEN = Aid(name="open", scenario="open dome", rule="nal-r", mpo_db_spl=105, vent=VENT)


def test_the_gain_at_the_eardrum_is_that_of_leak_and_direct_sound() -> None:
    """N4 without compression: a vent of first order, powers added, worked out by hand."""
    one = fitting_of(Profile("N4", aid=OPEN))["left"]
    own, heard = (
        dict(zip(AUDIOMETRIC_HZ, one[key]["65"], strict=True)) for key in ("insertion_gain_db", "eardrum_gain_db")
    )
    hz = (250.0, 500.0, 1000.0, 2000.0)
    assert [own[f] for f in hz] == pytest.approx([8.8, 17.8, 26.8, 27.9], abs=0.05)
    assert [heard[f] for f in hz] == pytest.approx([0.1, 2.7, 14.4, 20.8], abs=0.1)


def test_the_gain_at_the_eardrum_is_that_of_sound_through_aid_and_vent() -> None:
    profile = Profile("N4", aid=OPEN)
    stage, leak, direct = compensation(profile), VentLeak(4000), DirectSound(4000)
    sound = np.tile(speech_noise(65.0, RATE, SECONDS, 1).astype(np.float32), (2, 1))
    for each in (stage, leak, direct):
        each.prepare(Format(RATE, 2, sound.shape[1], unit="pa"))
    entering, leaking = direct.process(sound).copy(), leak.process(stage.process(sound)).copy()
    power = [np.abs(np.fft.rfft(one[0].astype(np.float64))) ** 2 for one in (sound, entering, leaking)]
    bins = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    near = [(bins > f / 1.06) & (bins < f * 1.06) for f in AUDIOMETRIC_HZ]
    gain = [10 * np.log10((power[1][band].sum() + power[2][band].sum()) / power[0][band].sum()) for band in near]
    assert fitting_of(profile)["left"]["eardrum_gain_db"]["65"] == pytest.approx(gain, abs=0.4)


def test_show_prints_it_beside_the_aids_own() -> None:
    open_ears, closed_ears = (fitting_of(Profile("N4", aid=aid)) for aid in (OPEN, "closed"))
    (table,) = eardrum(open_ears)
    assert "eardrum" in str(table.title) and "aid" in str(fitting(open_ears).title)
    at_1k = list(table.columns[2 + AUDIOMETRIC_HZ.index(1000.0)].cells)
    assert at_1k[0] == f"{open_ears['left']['eardrum_gain_db']['50'][AUDIOMETRIC_HZ.index(1000.0)]:.1f}" == "14.4"
    assert eardrum(closed_ears) == []


@pytest.mark.parametrize("vented", [True, False])
def test_the_reports_gains_are_those_at_the_eardrum(vented: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    report, drawn = sample(), {}
    if vented:
        report["aid"]["vent"] = {"cutoff_hz": 4000.0}
        for one in report["fitting"].values():
            one["eardrum_gain_db"] = one["insertion_gain_db"]

    def keep(report: object, gain: Curve, ear: str) -> str:
        drawn[ear] = gain
        return ""

    monkeypatch.setattr("hearsim.report.page.measured_gain", keep)
    text = page(report, EXCERPTS)
    assert ("The vent (cutoff 4000 Hz)" in text, "to the eardrum, 1/3 octaves" in text) == (vented, vented)
    assert "It prescribes the gain for speech at 65 dB SPL" in text and "sound at three" not in text
    ratio = (np.tan(np.pi * np.array(GAIN_BANDS_HZ) / 48000) / np.tan(np.pi * 4000 / 48000)) ** 2
    for row, power in enumerate((4.0, 16.0)):  # of the sample's aided sound over its input
        expected = 10 * np.log10((1 + power * ratio) / (1 + ratio) if vented else power + 0 * ratio)
        np.testing.assert_allclose(drawn["left"][row], expected, atol=1e-4)


def test_the_gain_figure_has_the_lines_of_the_eardrum() -> None:
    report, gain = sample(), np.full((2, len(GAIN_BANDS_HZ)), 10.0)
    report["fitting"]["left"]["eardrum_gain_db"] = {level: [0.0] * 9 for level in ("50", "65", "80")}
    own = measured_gain(report, gain, "left")
    report["aid"]["vent"] = {"cutoff_hz": 4000.0}
    vented = measured_gain(report, gain, "left")
    assert "to aided sound, left ear" in own and "to the eardrum, left ear" in vented
    dotted = [re.search(r'<path d="([^"]*)"[^>]*stroke-dasharray: 1.2', one).group(1) for one in (own, vented)]
    heights = [{y for _, y in re.findall(r"([\d.]+) ([\d.]+)", line)} for line in dotted]
    assert len(heights[0]) == 9 and len(heights[1]) == 1
