"""Sessions of three processes without a sound device: equal to a render, mended when the worker is killed."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
from waiting import wait

from hearsim.audio import Audio
from hearsim.audio_files import open_source, read, write
from hearsim.demo_song import demo_song, mixture
from hearsim.errors import HearsimError
from hearsim.live.log import read_log
from hearsim.live.replay import Checksums, replay
from hearsim.live.session import Session
from hearsim.profile import load_profile

PROFILE = load_profile("moderate-vocals-up")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    write(path, mixture(demo_song(8.0)))
    return path


def test_a_song_through_the_null_device_is_recorded_logged_and_rendered_again(song: Path, tmp_path: Path) -> None:
    recording, log = tmp_path / "played.wav", tmp_path / "log.jsonl"
    source = open_source(song)
    with Session(PROFILE, source, "null", level_db=-6.0, recording=recording, log=log) as session:
        wanted, playing = session.control.wanted, session.control.playing
        for second, move in enumerate((
            lambda: wanted.set_gain("vocals", 9.0),
            lambda: wanted.set_step("dry"),
            lambda: wanted.set_step("aid"),
            lambda: wanted.set_solo("bass", True),
            lambda: wanted.set_level(-20.0),
        ), 1):  # fmt: skip
            wait(session, lambda second=second: playing.position > second * session.rate)
            move()
        wait(session, lambda: session.ended)
        assert (playing.fallbacks, playing.starved) == (0, 0)
    played, kept = read(recording).samples, read_log(log)
    again = np.concatenate(list(replay(kept, source)), axis=1)
    np.testing.assert_array_equal(played, again)
    assert len(kept.moves) == 1 + 4
    assert np.abs(played[:, -44100:]).max() > 0.001
    checks = Checksums(kept)
    checks.add(again)
    assert [(found.samples, equal) for found, equal in checks.results()] == [(played.shape[1], True)]


def test_a_file_that_stands_for_a_device(song: Path, tmp_path: Path) -> None:
    recording, log = tmp_path / "played.wav", tmp_path / "log.jsonl"
    with Session(PROFILE, None, str(song), level_db=0.0, recording=recording, log=log) as session:
        wait(session, lambda: session.ended)
        assert session.control.playing.fallbacks == 0
    again = np.concatenate(list(replay(read_log(log), open_source(song))), axis=1)
    played = read(recording).samples
    np.testing.assert_array_equal(played, again)
    assert np.abs(played).max() > 0.01


def test_a_killed_worker_gives_the_dry_signal_a_sentence_and_a_new_worker(song: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with Session(PROFILE, None, "null", level_db=0.0, log=log) as session:
        working, playing = session.control.working, session.control.playing
        wait(session, lambda: playing.position > session.rate)
        killed = working.pid
        os.kill(killed, signal.SIGKILL)
        said = wait(session, lambda: bool(playing.dry))
        said += wait(session, lambda: working.pid != killed and working.state == 2)
        said += wait(session, lambda: not playing.dry)
        assert playing.fallbacks == 1
        assert any("SIGKILL" in line and "dry signal" in line for line in said)
        assert any("back" in line for line in said)
    starts = [event.at for event in read_log(log).moves]
    assert starts[0] == 0 and starts[1] > session.rate


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


def resident_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_ten_minutes_memory_is_flat_and_the_delay_is_what_it_was(song: Path, tmp_path: Path) -> None:
    """The mix alone at 0 dB: what leaves is what came in, so the delay can be read off the recording, to the sample."""
    piece = read(song).samples
    times = 10 * 60 * 44100 // piece.shape[1] + 1
    write(tmp_path / "long.wav", Audio(np.tile(piece, times), 44100))
    flat, recording = load_profile("flat"), tmp_path / "played.wav"
    with Session(flat, open_source(tmp_path / "long.wav"), "null", level_db=0.0, recording=recording) as session:
        session.control.wanted.set_step("remix")
        playing, pids = session.control.playing, {}
        wait(session, lambda: playing.position > 60 * session.rate)
        pids = {name: block.pid for name, block in (("worker", session.control.working), ("audio", playing))}
        early, delay = {name: resident_kb(pid) for name, pid in pids.items()}, session.latency
        wait(session, lambda: playing.position > (10 * 60 - 20) * session.rate)
        late = {name: resident_kb(pid) for name, pid in pids.items()}
        wait(session, lambda: session.ended)
        print(f"\nresident after one minute {early}, after ten {late} kB")
        assert (session.latency, playing.fallbacks) == (delay, 0)
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
