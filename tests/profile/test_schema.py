"""The parts of a profile: audiograms against their source and brute force, mixes, limits and calibration."""

import json
import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.core.units import spl_to_pascal
from hearsim.core.validation import Settings
from hearsim.profile.clarity import load_listeners, load_mixes
from hearsim.profile.load import listener_names, load_listener, load_mix, load_profile, load_rig, profile_names
from hearsim.profile.schema import STEMS, Aid, Audiogram, Compression, Ears, Listener, Mix, Profile, Rig, Vent

BISGAARD_HZ: tuple[float, ...] = (250, 375, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000)
BISGAARD_DB_HL: dict[str, tuple[float, ...]] = {  # Bisgaard, Vlaming & Dahlquist 2010, Trends in Amplification 14(2)
    "N1": (10, 10, 10, 10, 10, 10, 15, 20, 30, 40),
    "N2": (20, 20, 20, 22.5, 25, 30, 35, 40, 45, 50),
    "N3": (35, 35, 35, 35, 40, 45, 50, 55, 60, 65),
    "N4": (55, 55, 55, 55, 55, 60, 65, 70, 75, 80),
    "N5": (65, 67.5, 70, 72.5, 75, 80, 80, 80, 80, 80),
    "N6": (75, 77.5, 80, 82.5, 85, 90, 90, 95, 100, 100),
    "N7": (90, 92.5, 95, 100, 105, 105, 105, 105, 105, 105),
    "S1": (10, 10, 10, 10, 10, 10, 15, 30, 55, 70),
    "S2": (20, 20, 20, 22.5, 25, 35, 55, 75, 95, 95),
    "S3": (30, 30, 35, 47.5, 60, 70, 75, 80, 80, 85),
}

no_clock = settings(deadline=None, max_examples=50)  # a busy machine is no failure
levels = st.floats(-20, 130).map(lambda value: round(value, 2))


@st.composite
def audiograms(draw: st.DrawFn, size: int | None = None) -> Audiogram:
    count = st.integers(1, 12) if size is None else st.just(size)
    wanted = draw(count)
    frequencies = draw(st.lists(st.integers(100, 20000), min_size=wanted, max_size=wanted, unique=True))
    thresholds = draw(st.lists(levels, min_size=wanted, max_size=wanted))
    return Audiogram(frequencies_hz=tuple(sorted(frequencies)), thresholds_db_hl=tuple(thresholds))


def flat_ear(loss_db: float = 20.0) -> Audiogram:
    return Audiogram(frequencies_hz=(250, 6000), thresholds_db_hl=(loss_db, loss_db))


def profile_with(mpo_db_spl: float, headphones_db_spl: float, ucl: Ears | None = None) -> Profile:
    return Profile(
        name="p",
        listener=Listener(name="l", left=flat_ear(), right=flat_ear(), ucl_db_spl=ucl),
        mix=Mix(name="m"),
        aid=Aid(name="a", scenario="closed dome", block_samples=512, rule="nal-r", mpo_db_spl=mpo_db_spl),
        rig=Rig(name="r", microphone_full_scale_db_spl=94, headphones_full_scale_db_spl=headphones_db_spl),
    )


@pytest.mark.parametrize("name", BISGAARD_DB_HL)
def test_standard_audiograms(name: str) -> None:
    listener = load_listener(name)
    for ear in listener.ears:
        assert ear.frequencies_hz == BISGAARD_HZ
        assert ear.thresholds_db_hl == BISGAARD_DB_HL[name]
        # 125 = 250 and 8k = 6k by convention
        assert ear.at((125.0, 8000.0)).tolist() == [BISGAARD_DB_HL[name][0], BISGAARD_DB_HL[name][-1]]


def test_normal_hearing_is_0_db_hl_everywhere() -> None:
    assert all(not ear.at((100.0, 800.0, 20000.0)).any() for ear in load_listener("normal").ears)


def test_the_asymmetric_listener_has_two_different_ears() -> None:
    left, right = load_listener("asymmetric").ears
    assert left.thresholds_db_hl == BISGAARD_DB_HL["N2"]
    assert right.thresholds_db_hl == BISGAARD_DB_HL["N4"]


@no_clock
@given(audiograms(), st.floats(50, 24000))
def test_thresholds_between_frequencies(ear: Audiogram, frequency_hz: float) -> None:
    """Brute force: walk to the two neighbours and divide their difference in octaves."""
    points = list(zip(ear.frequencies_hz, ear.thresholds_db_hl, strict=True))
    expected = points[0][1]
    for (low, at_low), (high, at_high) in pairwise(points):
        if low <= frequency_hz <= high:
            expected = at_low + (at_high - at_low) * math.log2(frequency_hz / low) / math.log2(high / low)
    if frequency_hz > points[-1][0]:
        expected = points[-1][1]
    assert ear.at((frequency_hz,))[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("frequencies", "thresholds"),
    [
        ((500, 500), (10, 20)),
        ((1000, 500), (10, 20)),
        ((500, 1000), (10,)),
        ((), ()),
        ((99, 1000), (10, 20)),
        ((500, 20001), (10, 20)),
        ((500, 1000), (-20.1, 20)),
        ((500, 1000), (10, 130.1)),
        ((500, 1000), (10, math.nan)),
        ((500, 1000), (10, True)),
        ((500, 1000), (10, "20")),
    ],
)
def test_bad_audiograms_are_refused(frequencies: tuple[float, ...], thresholds: tuple[float, ...]) -> None:
    with pytest.raises(HearsimError):
        Audiogram(frequencies_hz=frequencies, thresholds_db_hl=thresholds)


def test_the_ends_of_the_ranges_are_allowed() -> None:
    ear = Audiogram(frequencies_hz=(100, 20000), thresholds_db_hl=(-20, 130))
    assert ear.at((100.0, 20000.0)).tolist() == [-20, 130]


@no_clock
@given(audiograms(), audiograms())
def test_a_listener_survives_toml(left: Audiogram, right: Audiogram) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "anna.toml"
        path.write_text(
            "".join(
                f"[{ear}]\nfrequencies_hz = {list(at.frequencies_hz)}\nthresholds_db_hl = {list(at.thresholds_db_hl)}\n"
                for ear, at in (("left", left), ("right", right))
            )
        )
        assert load_listener(path) == Listener(name="anna", left=left, right=right)


@no_clock
@given(audiograms(size=8), st.lists(levels, min_size=8, max_size=8))
def test_a_listener_survives_claritys_json(left: Audiogram, levels_right: list[float]) -> None:
    row = {
        "name": "L0001",
        "audiogram_cfs": left.frequencies_hz,
        "audiogram_levels_l": left.thresholds_db_hl,
        "audiogram_levels_r": levels_right,
    }
    right = Audiogram(frequencies_hz=left.frequencies_hz, thresholds_db_hl=tuple(levels_right))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "listeners.json"
        path.write_text(json.dumps({"L0001": row}))
        assert load_listeners(path) == {"L0001": Listener(name="L0001", left=left, right=right)}


@no_clock
@given(st.dictionaries(st.sampled_from(STEMS), st.floats(-60, 12)))
def test_gains_are_amplitude_factors(gains_db: dict[str, float]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gains.json"
        path.write_text(json.dumps({"one": gains_db}))
        mix = load_mixes(path)["one"]
    for stem in STEMS:
        assert 20 * math.log10(mix.gain(stem)) == pytest.approx(gains_db.get(stem, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "gains"),
    [  # vocals, drums, bass, other
        ("flat", (1, 1, 1, 1)),
        ("vocals-up", (10**0.3, 10**-0.1, 1, 1)),
        ("vocals-6db", (10**0.3, 1, 1, 1)),
        ("drums-down", (1, 10**-0.45, 1, 1)),
        ("bass-up", (1, 1, 10**0.3, 1)),
        ("instrumental", (0, 1, 1, 1)),
        ("vocals-only", (1, 0, 0, 0)),
    ],
)
def test_shipped_mixes(name: str, gains: tuple[float, ...]) -> None:
    mix = load_mix(name)
    for stem, gain in zip(STEMS, gains, strict=True):
        if gain in (0, 1):
            assert mix.gain(stem) == gain  # exactly: the residual remix leaves the sound as it is, bit for bit
        assert mix.gain(stem) == pytest.approx(gain)


@pytest.mark.parametrize("gain", [-60.1, 12.1, -math.inf, math.nan, True, "mut", "3"])
def test_bad_gains_are_refused(gain: float | str) -> None:
    with pytest.raises(ValidationError, match=r'give -60 to \+12 dB, or "mute"'):
        Mix.model_validate({"name": "m", "gains_db": {"vocals": gain}})


@no_clock
@given(st.floats(70, 140), st.floats(0.001, 10), st.booleans())
def test_an_mpo_that_would_clip_the_headphones_is_refused(mpo_db_spl: float, margin_db: float, too_loud: bool) -> None:
    """Brute force: the peak of a sine at MPO, in samples of these headphones, against full scale."""
    headphones_db_spl = mpo_db_spl + 10 * math.log10(2) + (-margin_db if too_loud else margin_db)
    unit = Rig(name="r", microphone_full_scale_db_spl=94, headphones_full_scale_db_spl=headphones_db_spl).headphones
    phase = np.linspace(0, 2 * np.pi, 4001)
    sine = math.sqrt(2) * spl_to_pascal(mpo_db_spl) / unit.pascal_per_unit * np.sin(phase)
    assert (np.abs(sine).max() > 1) == too_loud
    if too_loud:
        with pytest.raises(HearsimError, match="would clip the headphones of rig r"):
            profile_with(mpo_db_spl, headphones_db_spl)
    else:
        assert profile_with(mpo_db_spl, headphones_db_spl).mpo_db_spl == (mpo_db_spl, mpo_db_spl)


def test_the_level_that_the_refusal_asks_for_is_enough() -> None:
    with pytest.raises(HearsimError, match=r"is 108\.1 or more"):
        profile_with(105, 100)
    assert profile_with(105, 108.1).rig.headphones.full_scale_db_spl == 108.1


def test_no_sound_passes_the_uncomfortable_level_of_an_ear() -> None:
    assert profile_with(105, 112, Ears(left=98, right=120)).mpo_db_spl == (98, 105)
    # The louder ear alone decides whether the headphones clip.
    assert profile_with(105, 104, Ears(left=98, right=100)).mpo_db_spl == (98, 100)
    with pytest.raises(HearsimError, match="MPO of 105"):
        profile_with(105, 104, Ears(left=98, right=120))


def test_the_reference_rig_is_a_wire_of_2_pascal() -> None:
    rig = load_rig("reference")
    assert rig.microphone.pascal_per_unit == 2.0
    assert rig.headphones.pascal_per_unit == 2.0


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (Compression, "ratio", 0.9),
        (Compression, "ratio", 10.1),
        (Compression, "knee_db_spl", 19),
        (Compression, "attack_ms", 0.4),
        (Compression, "release_ms", 5001),
        (Vent, "cutoff_hz", 0),
        (Aid, "block_samples", 15),
        (Aid, "block_samples", 8193),
        (Aid, "block_samples", 512.5),
        (Aid, "rule", "nal-nl2"),
        (Aid, "scenario", "cinema"),
        (Aid, "mpo_db_spl", 59),
        (Aid, "mpo_db_spl", math.inf),
        (Ears, "left", 141),
    ],
)
def test_bad_settings_are_refused(kind: type[Settings], key: str, value: object) -> None:
    values: dict[type[Settings], dict[str, object]] = {
        Compression: {"ratio": 2, "knee_db_spl": 45, "attack_ms": 5, "release_ms": 100},
        Vent: {"cutoff_hz": 1000},
        Aid: {"name": "a", "scenario": "closed dome", "block_samples": 512, "rule": "none", "mpo_db_spl": 100},
        Ears: {"left": 100, "right": 100},
    }
    good = values[kind]
    kind.model_validate(good)
    with pytest.raises(ValidationError) as caught:
        kind.model_validate({**good, key: value})
    assert [error["loc"][0] for error in caught.value.errors()] == [key]


def test_settings_are_frozen() -> None:
    profile = load_profile("flat")
    with pytest.raises(HearsimError, match="frozen"):
        profile.aid.mpo_db_spl = 140
    with pytest.raises(HearsimError, match="frozen"):
        profile.mix.gains_db.vocals = 3


@pytest.mark.parametrize("name", profile_names())
def test_nothing_inside_a_profile_can_be_changed(name: str) -> None:
    """Only what holds no list, set or dict has a hash; the same profile, loaded twice, is one key."""
    assert len({load_profile(name), load_profile(name)}) == 1


@pytest.mark.parametrize(
    ("thresholds", "where"),
    [
        ({8000: 90}, "below 8000 Hz"),
        ({250: 10, 1500: 20}, "above 1500 Hz"),
        ({501: 20}, "below 501 Hz and above 501 Hz"),
        ({500: 30, 2000: 40}, ""),
        ({250: 10, 8000: 90}, ""),
    ],
)
def test_thresholds_that_are_assumed_are_said(thresholds: dict[float, float], where: str, tmp_path: Path) -> None:
    """An audiogram that does not span 500 to 2000 Hz is used, with a warning that names the frequencies without one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Listener.from_thresholds(left={500: 30, 2000: 40}, right=thresholds, name="Anna")
    sentence = f"Anna, right ear: thresholds {where} are not measured: the nearest one is assumed there"
    assert [str(one.message) for one in said] == ([sentence] if where else [])
    ear = f"frequencies_hz = {list(thresholds)}\nthresholds_db_hl = {list(thresholds.values())}\n"
    (tmp_path / "anna.toml").write_text(f"[left]\n{ear}[right]\n{ear}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_listener(tmp_path / "anna.toml")
    assert [one.category for one in said] == ([HearsimWarning] * 2 if where else [])


def test_no_shipped_listener_has_assumed_thresholds() -> None:
    for name in listener_names():
        assert [ear.unmeasured for ear in load_listener(name).ears] == ["", ""], name


def test_a_listener_from_thresholds() -> None:
    """Sorted by frequency; one set serves both ears, or each ear has its own."""
    both = Listener.from_thresholds({2000: 55, 500: 30, 1000: 40}, name="Anna")
    assert both == Listener(
        name="Anna",
        left=Audiogram(frequencies_hz=(500, 1000, 2000), thresholds_db_hl=(30, 40, 55)),
        right=Audiogram(frequencies_hz=(500, 1000, 2000), thresholds_db_hl=(30, 40, 55)),
    )
    own = Listener.from_thresholds(left={1000: 20}, right={1000: 60})
    assert (own.left.thresholds_db_hl, own.right.thresholds_db_hl) == ((20,), (60,))


def test_a_profile_from_a_listener() -> None:
    """Aid and rig of the default profile; the mix as a table of dB, an object or a name."""
    listener = load_listener("N3")
    default = load_profile("moderate-vocals-up")
    profile = Profile(listener, mix={"vocals": 6})
    assert (profile.name, profile.aid, profile.rig, profile.model) == ("N3", default.aid, default.rig, default.model)
    assert profile.mix.gain("vocals") == pytest.approx(10**0.3)
    assert Profile(listener).mix == load_mix("flat")
    assert Profile("N3", "vocals-up", name="moderate-vocals-up") == default
    assert Profile("N3", aid="power", rig="power", model="hs-tasnet-lite-6ms").aid.rule == "nal-rp"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Listener.from_thresholds({500: 300}), "left ear, 500 Hz: threshold = 300 is too high: give 130 or "),
        (lambda: Listener.from_thresholds({50: 30}), "left ear, 50 Hz: frequency = 50 is too low: give 100 or more"),
        (lambda: Listener.from_thresholds({"1k": 30}), "left ear, '1k' Hz: frequency = '1k' is not a number"),
        (lambda: Listener.from_thresholds({}), "no thresholds are given: give {500: 30, "),
        (lambda: Listener.from_thresholds([30, 40]), "left ear: [30, 40] holds no thresholds: give {500: 30, ...}"),
        (lambda: Listener.from_thresholds(left={500: 30}), "thresholds of the right ear are missing: give right="),
        (
            lambda: Listener.from_thresholds({500: 30}, left={500: 30}),
            "thresholds of both ears and of one ear are given",
        ),
        (lambda: Profile("N3", {"vocal": 6}), "Profile: mix: the key vocal is not known: did you mean vocals?"),
        (lambda: Profile("N3", {"vocals": 60}), 'Profile: mix: vocals = 60: give -60 to +12 dB, or "mute"'),
        (lambda: Profile("N33"), "no listener is called 'N33'"),
        (lambda: Profile(3), "Profile: listener must be a Listener, a name or a file, not 3"),
        (lambda: Profile("N3", aid="power"), "Profile: the MPO of 115 dB SPL (aid power) would clip"),
        (lambda: Rig(name="r", microphone_full_scale_db_spl="94"), "Rig: microphone_full_scale_db_spl = '94' is not"),
        (lambda: Listener(name="x"), "Listener: the key left is missing: add it"),
    ],
)
def test_classes_refuse_in_one_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(HearsimError) as caught:
        make()
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value) and "pydantic" not in str(caught.value)
