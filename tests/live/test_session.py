"""Sessions of three processes without a sound device: equal to a render, mended when the worker is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from quick_model import with_quick_model
from waiting import PATIENCE_S, resident_kb, wait

from hearsim.core.audio import Audio
from hearsim.core.audio_files import open_source, read, write
from hearsim.core.errors import HearsimError
from hearsim.live import session as live_session
from hearsim.live.control import RUNNING, Control
from hearsim.live.log import read_log
from hearsim.live.loopback import chirps, flatten, measure
from hearsim.live.process import report_failure
from hearsim.live.replay import Checksums, replay
from hearsim.live.session import Session
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile

PROFILE = with_quick_model("moderate-vocals-up")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    write(path, mixture(demo_song(8.0)))
    return path


def test_a_song_through_the_null_device_is_recorded_logged_and_rendered_again(song: Path, tmp_path: Path) -> None:
    recording, log = tmp_path / "played.wav", tmp_path / "log.jsonl"
    source = open_source(song)
    with Session(PROFILE, source, "null", level_db=-6.0, recording=recording, log=log) as session:
        controls, playback_status = session.control.controls, session.control.playback_status
        for second, move in enumerate((
            lambda: controls.set_gain("vocals", 9.0),
            lambda: controls.set_step("dry"),
            lambda: controls.set_step("aid"),
            lambda: controls.set_solo("bass", True),
            lambda: controls.set_level(-20.0),
        ), 1):  # fmt: skip
            wait(session, lambda second=second: playback_status.position > second * session.rate)
            move()
        wait(session, lambda: session.ended)
        assert (playback_status.fallbacks, playback_status.starved) == (0, 0)
    played, kept = read(recording).samples, read_log(log)
    again = np.concatenate(list(replay(kept, source)), axis=1)
    np.testing.assert_array_equal(played, again)
    assert len(kept.moves) == 1 + 4
    assert np.abs(played[:, -44100:]).max() > 0.001
    checks = Checksums(kept)
    checks.add(again)
    assert [(found.samples, equal) for found, equal in checks.results()] == [(played.shape[1], True)]


def test_what_comes_in_from_a_device_is_kept_beside_the_log_and_renders_to_what_was_played(
    song: Path, tmp_path: Path
) -> None:
    recording, log = tmp_path / "played.wav", tmp_path / "log.jsonl"
    with Session(PROFILE, None, str(song), level_db=0.0, recording=recording, log=log) as session:
        wait(session, lambda: session.ended)
        assert session.control.playback_status.fallbacks == 0
    kept, came = read_log(log), open_source(tmp_path / "log.jsonl.input.wav")
    assert (kept.source["device"], kept.source["path"]) == (str(song), str(came.path))
    sound, played = read(song).samples, read(recording).samples
    np.testing.assert_array_equal(came.read().samples[:, : sound.shape[1]], sound)
    np.testing.assert_array_equal(played, np.concatenate(list(replay(kept, came)), axis=1))
    assert np.abs(played).max() > 0.01


@pytest.mark.parametrize(
    ("how", "said_how"),
    [
        (signal.SIGKILL, "SIGKILL"),
        pytest.param(signal.SIGSTOP, "stuck for 2 s", marks=pytest.mark.slow),
    ],
)
def test_a_killed_or_stuck_worker_gives_the_dry_signal_a_sentence_and_a_new_worker(
    how: signal.Signals, said_how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_session, "STUCK_S", 2.0)
    log = tmp_path / "log.jsonl"
    with Session(PROFILE, None, "null", level_db=0.0, log=log) as session:
        worker_status, playback_status = session.control.worker_status, session.control.playback_status
        wait(session, lambda: playback_status.position > session.rate)
        lost = worker_status.pid
        os.kill(lost, how)
        said = wait(session, lambda: bool(playback_status.dry))
        said += wait(session, lambda: worker_status.pid != lost and worker_status.state == 2)
        said += wait(session, lambda: not playback_status.dry)
        assert playback_status.fallbacks == 1
        assert any(said_how in line and "dry signal" in line for line in said), said
        assert any("back" in line for line in said)
    starts = [event.at for event in read_log(log).moves]
    assert starts[0] == 0 and starts[1] > session.rate


def test_where_the_control_process_is_killed_the_others_end_and_leave_nothing() -> None:
    threads = {**os.environ, "OMP_NUM_THREADS": "2"}  # as users have them: a worker that is forked beside them hangs
    with subprocess.Popen([sys.executable, "-c", LONELY], stdout=subprocess.PIPE, text=True, env=threads) as control:
        assert control.stdout is not None
        worker, audio, memory = control.stdout.readline().split()
        assert runs(int(worker)) and runs(int(audio)) and Path("/dev/shm", memory).exists()
        control.kill()
        until = time.monotonic() + PATIENCE_S
        while runs(int(worker)) or runs(int(audio)) or Path("/dev/shm", memory).exists():
            assert time.monotonic() < until
            time.sleep(0.05)


LONELY = """
import time
from hearsim.live.session import Session
from hearsim.profile.load import load_profile
with Session(load_profile("moderate-vocals-up"), None, "null", level_db=-20.0) as session:
    control = session.control
    print(control.worker_status.pid, control.playback_status.pid, control.controls._memory.name, flush=True)
    while True:
        session.poll()
        time.sleep(0.05)
"""


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_measurement_ends_where_the_stream_does(song: Path) -> None:
    with Session(PROFILE, None, str(song), probe=chirps()) as session:
        flatten(session)
        with pytest.raises(HearsimError, match="the stream has ended"):
            list(measure(session, 5.0))


@pytest.mark.parametrize(("device", "cables"), [(b"USB (ALSA)", False), (b"system (JACK Audio Connection Kit)", True)])
def test_a_device_is_back_when_it_plays_and_not_before(device: bytes, cables: bool) -> None:
    session = Session(PROFILE, None, "null")
    session.control, session._audio_since = Control.create(), time.monotonic()
    session._lost_at, session._lost_why, session._lost_calls = 0.0, "", 0
    playback_status = session.control.playback_status
    playback_status.callbacks, playback_status.device = 100, device
    session._audio = SimpleNamespace(exitcode=1)  # type: ignore[assignment]
    playback_status.message = b"USB (ALSA) has gone: is it plugged in?"
    session._watch_audio()
    session._audio = SimpleNamespace(exitcode=None)  # type: ignore[assignment]
    playback_status.state = RUNNING
    session._watch_audio()
    assert session.messages == ["USB (ALSA) has gone: is it plugged in? Trying to open it again"]
    playback_status.callbacks += 1
    session._watch_audio()
    assert session.messages[1].startswith("the device is back after")
    assert session.messages[1].endswith("connect the player again") == cables
    session.control.close()


def test_words_too_long_for_their_cell_are_cut_between_letters() -> None:
    control = Control.create()
    with pytest.raises(SystemExit), report_failure(control.playback_status):
        raise HearsimError("x" + "ö" * 5000)
    said = control.playback_status.message.decode()
    assert said == "x" + "ö" * (len(said) - 1) and len(said) > 500
    control.close()


def test_a_worker_that_can_not_load_is_one_sentence(tmp_path: Path) -> None:
    broken = PROFILE.model_copy(update={"model": "nobody"})
    with pytest.raises(HearsimError, match="no model is called 'nobody'"), Session(broken, None, "null"):
        pass


def test_a_log_or_recording_is_never_replaced(song: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    for name in ("log", "recording"):
        with (
            pytest.raises(HearsimError, match="already there"),
            Session(PROFILE, None, "null", **{name: tmp_path / "there"}),
        ):
            pass
    assert (tmp_path / "there").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_ten_minutes_memory_is_flat_and_the_delay_is_what_it_was(song: Path, tmp_path: Path) -> None:
    """The mix alone at 0 dB: what leaves is what came in, so the delay can be read off the recording, to the sample."""
    piece = read(song).samples
    times = 10 * 60 * 44100 // piece.shape[1] + 1
    write(tmp_path / "long.wav", Audio(np.tile(piece, times), 44100))
    flat, recording = load_profile("flat"), tmp_path / "played.wav"
    with Session(flat, open_source(tmp_path / "long.wav"), "null", level_db=0.0, recording=recording) as session:
        session.control.controls.set_step("remix")
        playback_status = session.control.playback_status
        wait(session, lambda: playback_status.position > 60 * session.rate)
        early, delay = resident_kb(session), session.latency
        wait(session, lambda: playback_status.position > (10 * 60 - 20) * session.rate, 4 * PATIENCE_S)
        late = resident_kb(session)
        wait(session, lambda: session.ended)
        print(f"\nresident after one minute {early}, after ten {late} kB")
        assert (session.latency, playback_status.fallbacks) == (delay, 0)
    for name, before in early.items():
        assert late[name] < before + 4096, name
    for minute in (1, 5, 9):
        begin = minute * 60 * 44100
        played = read_part(recording, begin, 44100)
        came = read_part(tmp_path / "long.wav", begin - delay, 44100)
        np.testing.assert_allclose(played, came, rtol=1e-4, atol=1e-6)


def read_part(path: Path, begin: int, frames: int) -> np.ndarray:
    samples, _ = soundfile.read(path, frames, begin, dtype="float32")
    return samples
