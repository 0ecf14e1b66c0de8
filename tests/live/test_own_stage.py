"""An aid with one stage more: live and in the bench it is the same aid."""

import numpy as np
import pytest
from cases import fs, quick_profile

import hearsim.live.path
from hearsim.aid.hearing_aid import HearingAid, hearing_aid
from hearsim.bench import blocks
from hearsim.core.audio import Audio
from hearsim.core.composites import Delay
from hearsim.core.processor import Processor, render
from hearsim.core.units import FloatArray
from hearsim.live.events import MixerState
from hearsim.profile.schema import Profile


class Halve(Processor):
    """A stage of one's own, of the fewest lines."""

    def process(self, block: FloatArray) -> FloatArray:
        return np.float32(0.5) * block


def longer_aid(profile: Profile, separation: Processor | None = None) -> HearingAid:
    remix, *others = hearing_aid(profile, separation=separation).stages
    return HearingAid(profile, Halve(), remix, others[0], Delay(7), Halve(), *others[1:])


def test_live_path_of_an_aid_with_more_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step "aid" is what render gives; "remix" and "dry" are as late, with a peak at the same sample."""
    profile = quick_profile("asymmetric-instrumental")
    monkeypatch.setattr(hearsim.live.path, "hearing_aid", longer_aid)
    path, fmt = hearsim.live.path.LivePath(profile), fs(128)
    noise = (0.1 * np.random.default_rng(0).standard_normal((2, 40 * 128))).astype(np.float32)
    path.prepare(fmt)
    played = np.concatenate([path.process(noise[:, i : i + 128]).copy() for i in range(0, 40 * 128, 128)], axis=1)
    aided = render(longer_aid(profile), Audio(noise, fmt.rate), 128).samples
    late = path.latency
    np.testing.assert_array_equal(played[:, late:], aided[:, :-late])
    click = np.zeros((2, 40 * 128), np.float32)
    click[:, 100] = 0.01
    for step in ("dry", "remix"):
        path.start(MixerState({}, step))
        out = np.concatenate([path.process(click[:, i : i + 128]).copy() for i in range(0, 40 * 128, 128)], axis=1)
        assert np.abs(out).argmax(axis=1).tolist() == [100 + late] * 2


def test_bench_of_an_aid_with_more_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "hearing_aid", longer_aid)
    monkeypatch.setattr(blocks, "load_profile", lambda name: quick_profile("flat"))
    lines = list(blocks.bench("flat", 1.0))
    assert len(lines) == 3 and all("x real time" in str(line) for line in lines)
