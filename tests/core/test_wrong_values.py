"""Wrong values for the classes of aid, ear and rig: one sentence of ours that names the class or key, and a cure."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from cases import fs, pa, tiny_net

import hearsim as hs
from hearsim.aid.compensation import Compensation
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.remix import Remix
from hearsim.aid.separator import Separator
from hearsim.core.calibration import ToFullScale, ToPascal
from hearsim.ear.ear import unaided
from hearsim.ear.hearing_loss import HearingLoss
from hearsim.ear.vent import DirectSound, VentLeak, vent_comb
from hearsim.profile.schema import Compression, Ears, Gains, Vent

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = (NAN, INF, -INF, "5", None, True, (1.0, 2.0), 10**400)
NO_TIMES = (*NO_NUMBERS, -1.0, -1)
LISTENER = hs.Profile("N3").listener
EARS = LISTENER.ears
AID = {"name": "a", "scenario": "closed dome", "rule": "nal-r", "mpo_db_spl": 105}
COMPRESSION = {"ratio": 2, "knee_db_spl": 45, "attack_ms": 5, "release_ms": 50}
RIG = {"name": "a", "microphone_full_scale_db_spl": 94, "headphones_full_scale_db_spl": 112}
GAINS = np.zeros((2, 9))


def with_value(kind: Callable[..., object], good: dict[str, object], key: str) -> Callable[[object], object]:
    return lambda value: kind(**{**good, key: value})


def each(name: str, kind: Callable[..., object], good: dict[str, object], keys: str) -> dict[str, tuple]:
    """A row for each key that holds a number."""
    return {f"{name}.{key}": (with_value(kind, good, key), key, NO_TIMES) for key in keys.split()}


ROWS: dict[str, tuple[Callable[[object], object], str, tuple[object, ...]]] = {
    **each("Compression", Compression, COMPRESSION, "ratio knee_db_spl attack_ms release_ms"),
    **each("Rig", hs.Rig, RIG, "microphone_full_scale_db_spl headphones_full_scale_db_spl"),
    **each("Aid", hs.Aid, AID, "mpo_db_spl"),
    **each("Vent", Vent, {}, "cutoff_hz"),
    **each("Ears", Ears, {"left": 100, "right": 100}, "left right"),
    "ratio under 1": (with_value(Compression, COMPRESSION, "ratio"), "ratio", (0.5, 0, 11)),
    "Aid.block_samples": (with_value(hs.Aid, AID, "block_samples"), "block_samples", (64.5, "64", -1, 0, NAN)),
    "Aid.compression": (with_value(hs.Aid, AID, "compression"), "compression", (2, "x", {"ratio": 2}, (2, 45, 5, 50))),
    "Aid.rule": (with_value(hs.Aid, AID, "rule"), "rule", ("nal", "nal-nl2", None, 5)),
    "Aid.copy": (lambda value: hs.Aid(**AID).model_copy(update={"mpo_db_spl": value}), "mpo_db_spl", NO_TIMES),
    "Profile.copy": (lambda value: hs.Profile("N3").model_copy(update={"aid": value}), "aid", (5, "closed", None)),
    "Gains": (lambda value: Gains(vocals=value), "vocals", (NAN, INF, "6", None, True, 13, -61, "off")),
    "Mix.gain": (lambda value: hs.Mix(name="m").gain(value), "Mix", ("choir", None, 5)),
    "Audiogram": (
        lambda value: hs.Audiogram(frequencies_hz=(500.0,), thresholds_db_hl=(value,)),
        "thresholds_db_hl[0]",
        (*NO_NUMBERS, 131, -21),
    ),
    "Audiogram.at": (EARS[0].at, "Audiogram.at: frequencies_hz", ("x", None, (NAN,), (0.0,), (-1.0,), ((1,), (1, 2)))),
    "thresholds": (hs.Listener.from_thresholds, "ear", (5, "x", {500: NAN}, {"500": 30}, {NAN: 30}, [30])),
    "no thresholds": (hs.Listener.from_thresholds, "no thresholds are given", ({},)),
    "Calibration": (hs.Calibration, "Calibration: full_scale_db_spl", (*NO_NUMBERS, 1e5, -1e5)),
    "ToPascal": (ToPascal, "ToPascal", (94.0, None, "94")),
    "ToFullScale": (ToFullScale, "ToFullScale", (94.0, None, "94")),
    "Compensation": (
        Compensation,
        "Compensation: ",
        (None, 5.0, "x", GAINS[0], GAINS.T, GAINS + NAN, GAINS + 121, GAINS.astype(str), GAINS + 1j, [[1], [1, 2]]),
    ),
    "Compensation.compression": (
        lambda value: Compensation(GAINS, value),
        "Compensation: compression",
        (2.0, {"ratio": 2.0}, "x", (2.0, 45.0, 5.0, 50.0), Compression),
    ),
    "Compensation's level": (Compensation(GAINS).insertion_gain_db, "overall_db_spl", NO_NUMBERS),
    "MpoLimiter": (
        MpoLimiter,
        "MpoLimiter: mpo_db_spl",
        (None, 100.0, "ab", (100.0,), (90, 90, 90), *((one, 100.0) for one in NO_NUMBERS), (59, 100), (100, 141)),
    ),
    "look-ahead": (lambda value: MpoLimiter((90, 90), value), "MpoLimiter: look_ahead_ms", (*NO_TIMES, 1e9)),
    "release": (lambda value: MpoLimiter((90, 90), 1.0, value), "MpoLimiter: release_ms", (*NO_TIMES, 0, 1e9)),
    "DirectSound": (DirectSound, "DirectSound: cutoff_hz", (*NO_TIMES, 0, 30000)),
    "VentLeak": (VentLeak, "VentLeak: cutoff_hz", (*NO_TIMES, 0, 30000)),
    "vent_comb": (lambda value: vent_comb(value, 0.0), "vent_comb: delay_ms", (*NO_TIMES, 0)),
    "Remix": (Remix, "Remix", (None, 5, "vocals", [2.0], *({"vocals": one} for one in NO_TIMES), {"vocals": 6.0})),
    "HearingLoss": (HearingLoss, "HearingLoss", (None, "N3", LISTENER, EARS[:1], (1, 2), (*EARS, EARS[0]))),
    "Separator": (Separator, "Separator: model", (None, 5, (1, 2), Separator, {"model": "x"})),
    "Ear": (hs.Ear, "Ear", (None, "N3", LISTENER)),
    "unaided": (unaided, "unaided", (None, "N3", LISTENER)),
    "HearingAid": (hs.HearingAid, "HearingAid", (None, "N3", hs.Delay(1))),
    "Format.stems": (lambda value: hs.Format(44100, 2, 64, stems=value), "Format: stems", ("ab", (1, 2), ["vocals"])),
    "Format's delay": (
        lambda value: hs.Format(44100, 2, 64, upstream_latency=value),
        "upstream_latency",
        (1.5, "5", -1),
    ),
}
UNKNOWN: dict[str, tuple[Callable[..., object], dict[str, object]]] = {
    "Compression": (Compression, COMPRESSION),
    "Rig": (hs.Rig, RIG),
    "Aid": (hs.Aid, AID),
    "Vent": (Vent, {"cutoff_hz": 500}),
    "Ears": (Ears, {"left": 100, "right": 100}),
    "Gains": (Gains, {}),
    "Mix": (hs.Mix, {"name": "m"}),
    "Audiogram": (hs.Audiogram, {"frequencies_hz": (500,), "thresholds_db_hl": (5,)}),
    "Listener": (hs.Listener, {"name": "a", "left": EARS[0], "right": EARS[1]}),
    "Profile": (hs.Profile, {"listener": "N3"}),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_value_is_named_in_one_sentence(name: str) -> None:
    make, where, values = ROWS[name]
    for value in values:
        with pytest.raises(hs.HearsimError) as answer:
            make(value)
        sentence = str(answer.value)
        assert where in sentence, (value, sentence)
        assert "\n" not in sentence and len(sentence) < 250, (value, sentence)
        assert re.search("give|write|put|add|remove|make|sort", sentence), (value, sentence)


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_key_that_is_not_known_is_named(name: str) -> None:
    kind, good = UNKNOWN[name]
    kind(**good)
    with pytest.raises(hs.HearsimError, match=rf"^{name}: the key zz is not known: (known are|remove) "):
        kind(**good, zz=1)


def test_right_values_at_the_ends_of_their_ranges_are_taken() -> None:
    """Whole numbers, numpy's numbers and lists as well; they are used as numbers."""
    MpoLimiter([60, np.float32(140)], look_ahead_ms=0, release_ms=1).prepare(pa(64))
    assert MpoLimiter(np.array([90.0, 100.0])).mpo_db_spl == (90.0, 100.0)
    for cutoff in (20, np.int64(8000)):
        DirectSound(cutoff).prepare(pa(64))
    Compensation([[20] * 9] * 2, Compression(**{**COMPRESSION, "ratio": 1})).prepare(pa(64))
    Remix({"vocals": 0, "drums": 4}).prepare(hs.Format(44100, 2, 64, ("vocals", "drums")))
    HearingLoss(list(EARS))
    Separator(tiny_net()).prepare(fs(64))
    assert hs.Calibration(94).full_scale_db_spl == 94


def test_a_copy_has_the_other_value() -> None:
    profile = hs.Profile("N3").model_copy(update={"mix": hs.Mix(name="m", gains_db=Gains(vocals=6))})
    assert profile.mix.name == "m" and profile.listener == LISTENER
    assert profile == profile.model_copy() == profile.model_copy(deep=True)
