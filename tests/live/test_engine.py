"""The engine without a device: equal to a render bit for bit, never over the limit, never later than it says."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from inline import RATE, Inline
from quick_model import with_quick_model

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Audio
from hearsim.core.processor import render
from hearsim.live.events import Kind
from hearsim.live.ledger import turn, waiting
from hearsim.live.output_stage import FADE
from hearsim.live.path import LivePath, ceiling_of
from hearsim.live.player import Player
from hearsim.live.resampling import Resampled
from hearsim.live.worker import Worker
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile
from hearsim.profile.schema import STEMS

PROFILE = with_quick_model("moderate-vocals-up")


@pytest.fixture(scope="module")
def song() -> Audio:
    return mixture(demo_song(3.0))


@pytest.fixture
def session(request: pytest.FixtureRequest, song: Audio) -> Iterator[Inline]:
    period = getattr(request, "param", 64)
    made = Inline(PROFILE, song, period)
    yield made
    made.close()


def late(session: Inline) -> int:
    return session.control.playback_status.delay + session.path.latency


@pytest.mark.parametrize("session", [64, 441, 512, 1024], indirect=True)
def test_live_is_what_render_writes_whatever_the_period(session: Inline, song: Audio) -> None:
    session.audible()
    session.until(song.frames)
    played = session.end()
    delay = waiting(session.period) + turn(session.period) + session.path.latency
    rendered = render(hearing_aid(PROFILE), song).samples
    begin = int(1.6 * RATE)  # the fade-in is over
    stop = song.frames - delay
    np.testing.assert_array_equal(played[:, begin + delay : stop + delay - 2048], rendered[:, begin : stop - 2048])
    playback_status = session.control.playback_status
    assert (playback_status.fallbacks, playback_status.starved, session.control.worker_status.late_blocks) == (0, 0, 0)


def test_starts_silent_and_fades_in() -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal((2, 3 * RATE))).astype(np.float32)
    session = Inline(PROFILE, Audio(noise, RATE), 64)
    session.until(RATE // 2)
    assert not np.concatenate(session.played).any()
    assert session.control.controls.level_db == -20.0
    session.control.controls.silent = 0
    session.until(int(2.5 * RATE))
    played = np.concatenate(session.played).T
    loud = [float(np.std(played[:, at : at + 4410])) for at in (22050, 26460, 44100, 70000, 90000)]
    assert loud == sorted(loud) and loud[0] < 0.1 * loud[-1]
    session.close()


def moves(session: Inline) -> None:
    """A busy hand: every control moves, some twice in a block."""
    controls, at = session.control.controls, session.control.playback_status.position
    hour = at // session.period
    if hour == 100:
        session.audible(-6.0)
    if hour in (300, 301):
        controls.set_gain("vocals", -60.0 + 30 * (hour - 300))
    if hour == 500:
        controls.set_solo("drums", True)
        controls.set_muted("vocals", True)
    if hour == 640:
        controls.set_step("remix")
    if hour == 720:
        controls.set_solo("drums", False)
        controls.set_level(-12.0)
    if hour == 800:
        controls.set_step("dry")
    if hour == 900:
        controls.set_step("aid")
        controls.set_loss(bool(controls.can_lose))
    if hour == 1000:
        controls.panic = 1
    if hour == 1010:
        controls.panic = 0
    session.turn()


@pytest.mark.parametrize("loss", [False, True])
def test_replay_is_what_was_played_with_all_moves_and_late_blocks(song: Audio, loss: bool, tmp_path: Path) -> None:
    session = Inline(PROFILE, song, 64, loss)
    stalls = {400: 12, 700: 3, 850: 40}  # at these turns the worker sleeps for so many

    def play() -> None:
        hour = session.control.playback_status.position // 64
        session.works = not any(at <= hour < at + length for at, length in stalls.items())
        moves(session)

    session.until(int(2.8 * RATE), play)
    played = session.end()
    assert session.control.playback_status.fallbacks == 2  # three turns fit into the worker's own
    assert session.control.worker_status.dropped > 0
    np.testing.assert_array_equal(session.replayed(tmp_path), played)
    assert len(session.rings.moves.since(0)[0]) == 1 + 6  # two moves within one block are one
    session.close()


def test_a_stalled_worker_gives_the_dry_signal_in_time_and_at_level(session: Inline, song: Audio) -> None:
    session.audible()
    session.until(2 * RATE)
    at = session.control.playback_status.position
    session.works = False
    session.until(at + RATE // 4)
    gain = np.float32(session.control.worker_status.match)
    assert gain == pytest.approx(10 ** (-18 / 20) * session.path._matches[0], rel=1e-6)  # rigs' calibrations: 94, 112
    played = np.concatenate(session.played).T
    stepped_in = at + turn(64) + FADE  # the worker's turn ends, the crossfade too
    expected = np.clip(song.samples * gain, -ceiling_of(PROFILE)[:, None], ceiling_of(PROFILE)[:, None])
    delayed = expected[:, stepped_in - late(session) : at + RATE // 4 - late(session)]
    np.testing.assert_array_equal(played[:, stepped_in : at + RATE // 4], delayed)
    assert (session.control.playback_status.fallbacks, session.control.playback_status.dry) == (1, 1)
    fades = [event.values[0] for event in session.rings.changes.since(0)[0] if event.kind == Kind.DRY]
    assert fades == [FADE]  # enough was in reserve for the whole crossfade
    session.works = True
    session.turn(40)
    assert session.control.playback_status.dry == 0
    assert session.control.worker_status.late_blocks > 50


def test_what_no_device_can_mean_is_silence_in_the_dry_signal_too() -> None:
    noise = (3e-3 * np.random.default_rng(1).standard_normal((3 * RATE // 2, 2))).astype(np.float32)
    noise[RATE:] = 0.0
    noise[RATE::1000] = 3e38  # finite, but not behind a gain, and infinity times silence is not a number
    session = Inline(with_quick_model("severe-vocals-up"), None, 64).audible()
    for start in range(0, len(noise) - 64, 64):
        session.works = start < RATE
        session.turn(given=noise[start : start + 64])
    played = np.concatenate(session.played).T
    assert session.control.playback_status.fallbacks == 1 and np.abs(played[:, RATE // 2 : RATE]).max() > 0.01
    assert not played[:, RATE + late(session) + turn(64) :].any()
    session.close()


@pytest.mark.parametrize("step", ["dry", "remix", "aid"])
def test_no_sample_passes_the_limit(step: str, song: Audio) -> None:
    """Far too loud, with faders up, stalls and sudden silence; a device may even hand over NaN."""
    ceiling = ceiling_of(PROFILE)
    session = Inline(PROFILE, None, 64).audible()
    session.control.controls.set_step(step)
    session.control.controls.set_gain("vocals", 12.0)
    loud = (40 * song.samples.T[:RATE]).astype(np.float32)
    loud[5000, 0], loud[9000, 1], loud[9001, 1] = np.nan, np.inf, -np.inf
    for count, start in enumerate(range(0, RATE - 64, 64)):
        session.works = count % 150 > 30
        session.turn(given=loud[start : start + 64])
    played = np.concatenate(session.played).T
    assert np.isfinite(played).all()
    assert (np.abs(played).max(axis=1) <= ceiling).all()
    assert np.abs(played).max() > 0.9 * ceiling.min()
    assert (np.abs(played[:, -2000:]).max(axis=1) > 0.3 * ceiling).all()  # no NaN has stayed inside
    assert session.control.playback_status.fallbacks > 2
    session.close()


@pytest.mark.parametrize("device_rate", [RATE, 48000])
def test_a_single_channel_keeps_the_limit_of_the_ear_with_the_lower_one(device_rate: int) -> None:
    """Limits of 104 and 98 dB SPL, headphones of 112 dB SPL at an RMS of 1.0: sqrt(2) 10 ** ((98 - 112) / 20)."""
    session = Inline(with_quick_model("asymmetric-instrumental"), None, 64).audible()
    device: Player | Resampled = session.player
    if device_rate != RATE:
        device = Resampled(session.player, session.player.ceiling, RATE, device_rate, (2, 1))
    given, out, peaks = np.full((64, 2), 40.0, np.float32), np.zeros((64, 1), np.float32), []
    for call in range(2 * RATE // 64):
        device.callback(given, out)
        peaks.append(np.abs(out).max())
        while call < RATE // 64 and session.worker.turn():  # then it stalls: the dry signal, at both ears' limits
            pass
    np.testing.assert_allclose(session.player.ceiling, [0.563009, 0.282173], rtol=1e-5)
    assert max(peaks) == pytest.approx(0.282173, rel=1e-5)
    session.close()


@pytest.mark.parametrize("session", [64, 128, 256], indirect=True)
def test_a_fader_is_heard_within_one_hop_and_ten_ms(session: Inline, song: Audio) -> None:
    still = Inline(PROFILE, song, session.period).audible()
    session.audible()
    stop = int(1.8 * RATE)
    still.until(stop)
    moved_at = []
    for sample in range(RATE, stop - 4000, 1000 + session.period):
        session.until(sample)
        moved_at.append(session.control.playback_status.position)
        session.control.controls.set_gain("drums", -60.0 if len(moved_at) % 2 else 12.0)
    session.until(stop)
    played, reference = (np.concatenate(one.played).T for one in (session, still))
    first = int(np.flatnonzero((played != reference[:, : played.shape[1]]).any(axis=0))[0])
    assert first - moved_at[0] <= 512 + 441
    events, _ = session.rings.moves.since(0)
    for at, event in zip(moved_at, events[1:], strict=True):  # the source's sample, and when that is played
        assert event.at + late(session) - at <= 512 + 441
    still.close()


def test_steps_are_equally_late_and_equally_loud(song: Audio) -> None:
    flat = PROFILE.model_copy(update={"mix": load_profile("flat").mix})
    wholes = {}
    for step in ("dry", "remix", "aid"):
        session = Inline(flat, song, 128).audible(-20.0)
        session.control.controls.set_step(step)
        session.until(song.frames)
        wholes[step] = session.end()[:, 2 * RATE : song.frames]
        session.close()
    np.testing.assert_allclose(wholes["remix"], wholes["dry"], atol=1e-7)
    levels = {step: 20 * np.log10(np.std(sound)) for step, sound in wholes.items()}
    assert max(levels.values()) - min(levels.values()) < 1.5
    delay = waiting(128) + turn(128) + session.path.latency  # that of the step "aid" too: it is what render writes
    likeness = np.corrcoef(wholes["dry"][0], song.samples[0, 2 * RATE - delay : song.frames - delay])[0, 1]
    assert likeness > 0.999  # but for the level match, which is slow


def test_panic_is_silence_within_a_block_and_holds(session: Inline) -> None:
    session.audible()
    session.until(2 * RATE)
    at = session.control.playback_status.position
    session.control.controls.panic = 1
    session.turn(100)
    played = np.concatenate(session.played).T
    assert np.abs(played[:, at - 4410 : at]).max() > 0.01
    assert not played[:, at + 64 + 221 :].any()  # a period and 5 ms
    session.control.controls.panic = 0
    session.turn(300)
    assert np.concatenate(session.played[-10:]).any()


def test_a_new_worker_goes_on_at_the_same_delay(session: Inline, tmp_path: Path) -> None:
    session.audible()
    session.until(RATE)
    session.works = False
    session.until(RATE + 8000)
    session.path = LivePath(PROFILE)  # what a worker's death and a new one amount to
    session.path.prepare(session.worker._path._aid.formats[0])
    session.worker = Worker(session.path, session.control, session.rings)
    session.works = True
    session.until(RATE + 20000)
    assert (session.control.playback_status.dry, session.control.playback_status.fallbacks) == (0, 1)
    assert session.control.worker_status.starts == 2
    played = session.end()
    np.testing.assert_array_equal(session.replayed(tmp_path), played)


def test_a_worker_that_missed_too_much_begins_anew(session: Inline, tmp_path: Path) -> None:
    session.audible()
    session.until(RATE)
    session.works = False
    session.until(RATE + session.rings.source.capacity + 999)
    session.works = True
    session.turn(60)
    assert (session.control.playback_status.dry, session.control.worker_status.starts) == (0, 2)
    played = session.end()
    np.testing.assert_array_equal(session.replayed(tmp_path), played)


@pytest.mark.parametrize("period", [64, 200])
def test_a_stream_killed_within_a_callback_goes_on_silently_and_is_rendered_again(
    period: int, session: Inline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.audible()
    session.until(RATE)
    with monkeypatch.context() as patched:
        patched.setattr(session.player._output, "process", killed)
        with pytest.raises(KeyboardInterrupt):
            session.turn()
    died = session.control.playback_status.position
    session.open(period)
    session.until(died + RATE)
    assert session.control.playback_status.delay == max(waiting(each) + turn(each) for each in (64, period))
    session.end()
    stop = session.control.playback_status.position
    heard = np.zeros((2, stop), np.float32)
    session.rings.played.read(0, heard)
    assert np.abs(heard[:, died - 64 : died]).max() > 0.001
    assert not heard[:, died : died + 64].any()  # taken in, never played
    assert np.abs(heard[:, died + 64 : died + 128]).max() < 0.001  # it fades in anew
    assert np.abs(heard[:, died + RATE // 2 : died + RATE]).max() > 0.01
    np.testing.assert_array_equal(session.replayed(tmp_path), heard)


@pytest.mark.parametrize("periods", [(100, 64), (48, 64)])
def test_a_device_whose_calls_vary_begins_anew_once_with_a_delay_that_suits(
    periods: tuple[int, int], session: Inline, tmp_path: Path
) -> None:
    session.audible()
    session.until(RATE)
    for count in range(RATE // 64):
        session.period = periods[count % 2]
        session.turn()
    assert session.control.playback_status.delay == waiting(1) + turn(max(64, *periods))
    assert len([event for event in session.rings.changes.since(0)[0] if event.kind == Kind.FORMAT]) == 2
    assert (session.control.playback_status.dry, session.control.worker_status.late_blocks) == (0, 0)
    assert np.abs(np.concatenate(session.played[-20:])).max() > 0.01  # it has faded in again
    played = session.end()
    np.testing.assert_array_equal(session.replayed(tmp_path), played)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("name", "loss"), [("severe-vocals-up", False), ("mild-open", True)])
def test_another_profile_comes_through_silence(name: str, loss: bool, song: Audio, tmp_path: Path) -> None:
    """Another limit, another mix, with loss and vent another latency; and still what a replay renders."""
    other = with_quick_model(name)
    session = Inline(PROFILE, song, 64, loss).audible(-10.0)
    session.until(RATE)
    session.switch(other)
    asked, before = session.control.playback_status.position, late(session)
    session.turn(40)
    assert session.control.worker_status.profile_number == 1
    assert session.control.controls.mixer_state().gains == pytest.approx({stem: other.mix.gain(stem) for stem in STEMS})
    session.until(int(1.8 * RATE))
    session.control.controls.set_gain("vocals", 6.0)
    session.until(int(2.5 * RATE))
    assert (late(session) != before) == loss
    played = session.end()
    changes, _ = session.rings.changes.since(0)
    change = next(event for event in changes if event.kind == Kind.PROFILE and event.at > 0)
    assert not played[:, change.at - 10 : change.at].any()  # nothing is heard when the limit changes
    assert change.at - asked < 0.05 * RATE
    assert change.values[2:4] == tuple(ceiling_of(other).tolist())
    assert session.control.playback_status.fallbacks == 0
    alone = Inline(other, song, 64, loss).audible(-10.0)
    alone.until(int(1.8 * RATE))
    alone.control.controls.set_gain("vocals", 6.0)
    alone.until(int(2.5 * RATE))
    here = slice(int(2.0 * RATE), int(2.49 * RATE))
    after, of_itself = played[:, here], np.concatenate(alone.played).T[:, here]
    assert np.corrcoef(after[0], of_itself[0])[0, 1] > 0.98
    np.testing.assert_array_equal(session.replayed(tmp_path), played)
    session.close()
    alone.close()
