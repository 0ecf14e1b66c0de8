"""What the page says of a session, from numbers that are known."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from hearsim.aid.compensation import compensation
from hearsim.core.alignment import whitened_peak
from hearsim.core.audio import EARS
from hearsim.core.latency import LatencyEntry
from hearsim.live.control import RUNNING, Control
from hearsim.live.page import state as view
from hearsim.live.page.orders import move
from hearsim.live.page.process import PageProcess
from hearsim.live.player import Rings
from hearsim.live.session import Session
from hearsim.profile.load import load_profile
from hearsim.report.report_json import fitting


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(view.WINDOW + view.REACH)


@pytest.mark.parametrize("late", [0, 1, 940, 2348, view.REACH - 1])
def test_the_delay_is_read_off_to_the_sample(late: int, noise: np.ndarray) -> None:
    """Behind a boost of 12 dB above about 2 kHz, of minimum phase, by which a plain correlation is misled."""
    came = lfilter([1.0], [1.0, -0.95], noise)
    went = np.concatenate((np.zeros(late), lfilter([1.0, -0.75], [1.0], came)))[: came.size]
    samples, likeness = whitened_peak(came[: view.WINDOW], went, view.REACH)
    assert samples == late and likeness > 2 * view.LEAST_PEAK


def test_sounds_that_have_nothing_to_do_with_each_other_tell_no_delay(noise: np.ndarray) -> None:
    other = np.random.default_rng(1).standard_normal(noise.size)
    assert whitened_peak(noise[: view.WINDOW], other, view.REACH)[1] < view.LEAST_PEAK / 2
    assert whitened_peak(noise[: view.WINDOW], np.zeros(noise.size), view.REACH)[1] == 0.0


def test_the_delay_of_rings() -> None:
    control, rings = Control.create(), Rings.create()
    sound = np.random.default_rng(2).standard_normal((2, 1 << 17)).astype(np.float32)
    assert view.delay(control, rings) is None  # nothing has been played yet
    rings.source.write(sound)
    rings.played.write(np.concatenate((np.zeros((2, 1012), np.float32), 0.1 * sound), axis=1)[:, : sound.shape[1]])
    control.playback_status.position = sound.shape[1]
    found = view.delay(control, rings)
    assert found is not None and found["samples"] == 1012
    control.close()
    rings.close()


def test_what_moves_and_how_it_fares_is_told_as_it_is() -> None:
    control, rings = Control.create(), Rings.create()
    control.controls.begin(load_profile("asymmetric-instrumental"), loss=False)
    told = view.now(control)
    assert (told["muted"], told["step"], told["sound"]) == (["vocals"], "aid", "no device: it is being opened")
    assert told["stems_db"] == [view.LOWEST_SHOWN_DB] * 4  # silence is a number, too
    assert "latency" not in view.health(control, rings)  # nothing is known yet
    worker_status, playback_status = control.worker_status, control.playback_status
    playback_status.state, playback_status.period, playback_status.delay, playback_status.position = 2, 128, 448, 44100
    worker_status.state, worker_status.blocks, worker_status.latency, worker_status.parts = (
        2,
        4,
        512,
        b'[["look-back", 512, "algorithm"]]',
    )
    worker_status.array("seconds")[:4] = 1e-3, 2e-3, 3e-3, 4e-3
    playback_status.dry_samples, playback_status.reported_ms = 4410, 5.8
    rings.wet.skip_to(44100 + 192)
    told = view.health(control, rings)
    assert told["fallback_share"] == pytest.approx(0.1)
    assert told["load"]["p50_ms"] == pytest.approx(2.5, abs=0.5)
    assert told["rings"]["worker"] == pytest.approx(192 / 384)
    assert told["latency"]["total_samples"] == round(5.8 * 44.1) + 448 + 512
    assert told["latency"]["parts"][0]["source"] == "device-reported"
    control.controls.cable = 128
    device = view.health(control, rings)["latency"]["parts"][0]
    assert (device["samples"], device["source"]) == (128, "measured")
    control.close()
    rings.close()


def test_moves_of_terminal_and_page_are_counted_apart_so_none_is_missed() -> None:
    control = Control.create()
    control.controls.begin(load_profile("flat"), loss=False)
    before = control.controls.array("moves").tolist()
    of_the_page = pickle.loads(pickle.dumps(control.controls))  # as a child process gets it
    of_the_page.set_gain("vocals", -3.0)
    control.controls.set_gain("drums", 2.0)
    of_the_page.set_step("dry")
    assert (control.controls.array("moves") - before).tolist() == [1, 2]
    assert control.controls.version == sum(before) + 3
    assert (control.controls.gain_db("vocals"), of_the_page.gain_db("drums")) == (-3.0, 2.0)
    of_the_page.close()
    control.close()


def test_a_path_of_many_stages_fits_its_cell_and_keeps_its_sum() -> None:
    """Stages of one's own with long names: rows that have no room are summed in the last one."""
    control = Control.create()
    entries = [LatencyEntry(f"{k} " + 300 * "ä", k, "algorithm") for k in range(100)]
    control.worker_status.set_path(entries)
    rows = control.worker_status.path_entries()
    assert sum(row.samples for row in rows) == sum(range(100)) and rows[-1].name == "further stages"
    assert rows[0].name.startswith("0 ää") and len(rows) > 5
    control.close()


def test_a_profile_is_drawn_for_each_ear_on_the_scale_of_its_limit() -> None:
    profile = load_profile("asymmetric-instrumental")
    drawn = view.profile_scene(profile)
    for index, (ear, audiogram) in enumerate(zip(EARS, profile.listener.ears, strict=True)):
        assert [db for _, db in drawn["thresholds_db_hl"][ear]] == list(audiogram.thresholds_db_hl)
        for level in (50, 65, 80):
            gains = compensation(profile).insertion_gain_db(float(level))[index]
            assert drawn["gains_db"][ear][level] == pytest.approx(gains.tolist())
    assert drawn["mpo_db_spl"] == [104, 98]
    full_scale = profile.rig.headphones_full_scale_db_spl  # of an RMS of 1: a sine's peak is 3 dB over its RMS
    assert drawn["full_scale_db_spl"] == pytest.approx(full_scale - 20 * np.log10(np.sqrt(2)), abs=1e-3)


def test_gain_curves_are_at_the_eardrum_of_an_open_fitting() -> None:
    """With the vent's direct sound at low frequencies, and its leak."""
    profile = load_profile("mild-open")
    report, drawn = fitting(profile), view.profile_scene(profile)
    for ear in EARS:
        for level in (50, 65, 80):
            assert drawn["gains_db"][ear][level] == pytest.approx(report[ear]["eardrum_gain_db"][str(level)])
    own, eardrum = (np.array(report["left"][key]["65"]) for key in ("insertion_gain_db", "eardrum_gain_db"))
    assert np.abs(own - eardrum).max() > 0.5


def test_meters_show_levels_of_stems_and_peaks_of_ears() -> None:
    control = Control.create()
    control.controls.begin(load_profile("flat"), loss=False)
    control.playback_status.state = RUNNING
    control.worker_status.array("stems")[:] = 0.01, 0.04, 1.0, 0.0  # mean squares
    control.playback_status.array("peaks")[:] = 0.1, 0.5
    told = view.now(control)
    assert told["stems_db"] == pytest.approx([-20.0, -13.98, 0.0, view.LOWEST_SHOWN_DB], abs=0.01)
    assert told["ears_db"] == pytest.approx([-20.0, -6.02], abs=0.01)
    control.close()


def test_orders_move_what_they_name_and_nothing_else() -> None:
    control = Control.create()
    wanted = control.controls
    wanted.begin(load_profile("flat"), loss=True)

    def told(**order: Any) -> dict[str, Any]:
        assert move(order, wanted)
        return {key: value for key, value in view.now(control).items() if key in before}

    before = {
        key: view.now(control)[key] for key in ("faders_db", "muted", "solo", "step", "loss", "level_db", "panic")
    }
    assert told(do="mute", stem="drums", on=True) == {**before, "muted": ["drums"]}
    assert told(do="mute", stem="drums", on=False) == before
    assert told(do="solo", stem="bass", on=True) == {**before, "solo": ["bass"]}
    assert told(do="solo", stem="bass", on=False) == before
    assert told(do="gain", stem="other", db=-3.0)["faders_db"] == {**before["faders_db"], "other": -3.0}
    assert told(do="panic", on=True)["panic"] is True and told(do="panic", on=False)["panic"] is False
    assert told(do="loss", on=False)["loss"] is False and told(do="step", step="dry")["step"] == "dry"
    assert told(do="level", db=-10.0)["level_db"] == -10.0 and not wanted.silent
    control.close()


def test_profiles_and_listeners_bring_their_mix_where_that_is_asked_for(tmp_path: Path) -> None:
    session = Session(load_profile("moderate-vocals-up"))
    page, switched = PageProcess(session, tmp_path, tmp_path), []
    session.switch = lambda profile, take_mix: switched.append((profile, take_mix))  # type: ignore[method-assign]
    for mix in (False, True):
        page._do({"do": "profile", "name": "asymmetric-instrumental", "mix": mix})
        profile, take_mix = switched[-1]
        assert (profile.name, take_mix) == ("asymmetric-instrumental", mix)
    page._do({"do": "listener", "name": "N5"})
    profile, take_mix = switched[-1]
    assert (profile.listener.name, profile.mix.name, take_mix) == ("N5", "vocals-up", False)
