"""Sessions through a real server with a real clock: JACK's dummy driver. Late blocks and xruns are printed.

Nothing here leaves a process behind: servers end by their handle, sessions end their own.
"""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from jack import jack, needs_jack, plug_cable, start_server, stop_server, talking_to
from quick_model import with_quick_model
from waiting import resident_kb, wait

from hearsim.core.audio import Audio
from hearsim.core.audio_files import Source, open_source, read, write
from hearsim.core.errors import HearsimError
from hearsim.live.control import FAILED, READY, RUNNING
from hearsim.live.events import Kind
from hearsim.live.ledger import session_ledger
from hearsim.live.log import SessionLog, read_log
from hearsim.live.loopback import Arrival, chirps, flatten, measure
from hearsim.live.output_stage import FADE
from hearsim.live.replay import replay
from hearsim.live.session import Session
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile
from hearsim.profile.schema import Profile

pytestmark = needs_jack
SHIPPED = load_profile("moderate-vocals-up")  # for the minutes marked slow
PROFILE = with_quick_model("moderate-vocals-up")


def counts(session: Session) -> str:
    playback_status, worker_status = session.control.playback_status, session.control.worker_status
    return (
        f"period {playback_status.period}: {playback_status.position / session.rate:.0f} s, "
        f"{worker_status.late_blocks} late blocks of {worker_status.blocks}, "
        f"{playback_status.fallbacks} times dry "
        f"({playback_status.dry_samples / max(playback_status.position, 1):.2%}), "
        f"{playback_status.xruns} xruns, reported {playback_status.reported_ms:.2f} ms"
    )


def loop(period: int, seconds: float, rate: int = 44100, profile: Profile = PROFILE) -> None:
    """Chirps through a cable: each as late as the ledger says, to the sample."""
    with jack(period, rate), Session(profile, probe=chirps()) as session:
        playback_status, worker_status = session.control.playback_status, session.control.worker_status
        plug_cable()
        flatten(session)
        found = list(measure(session, seconds))
        device = period * session.rate // rate  # with blocksize=0 a device costs one period
        ledger = session_ledger(playback_status, worker_status.path_entries(), session.rate, device, "measured")
        print(f"\n{len(found)} chirps, {found[0].device} + engine = {found[0].total} samples; {counts(session)}")
        assert playback_status.dry_samples < playback_status.position  # the path was heard, not the dry signal alone
        resampling = playback_status.resampling
        assert ledger.total_samples == device + resampling + session.latency
    assert len(found) >= 2 * seconds - 2
    check(found, device + resampling, ledger.total_samples)


def check(found: list[Arrival], device: int, total: int) -> None:
    """Nine chirps of ten come back undamaged by an xrun, and each of those has the same delays."""
    whole = [chirp for chirp in found if min(chirp.device_peak, chirp.total_peak) >= 0.99]
    assert len(whole) >= 0.9 * len(found)
    assert {(chirp.device, chirp.total) for chirp in whole} == {(device, total)}


@pytest.mark.parametrize("period", [64, pytest.param(512, marks=pytest.mark.slow)])
def test_measured_delay_is_constant_and_the_ledger(period: int) -> None:
    loop(period, 3.0)


def test_a_server_at_48_khz_is_resampled_and_the_cost_is_in_the_ledger() -> None:
    loop(320, 3.0, 48000)  # a period of 294 samples at the rate of the engine


@pytest.mark.slow
@pytest.mark.parametrize("period", [64, 128, 256, 512])
def test_measured_delay_is_constant_and_the_ledger_for_a_minute(period: int) -> None:
    loop(period, 60.0, profile=SHIPPED)


@pytest.mark.slow
def test_ten_minutes_through_a_device_memory_is_flat_and_the_delay_is_what_it_was() -> None:
    with jack(256), Session(SHIPPED, probe=chirps()) as session:
        plug_cable()
        flatten(session)
        found, memory = [], []
        for chirp in measure(session, 600.0):
            found.append(chirp)
            memory.append(resident_kb(session))
        print(f"\n{len(found)} chirps; {counts(session)}; memory (kB) {memory[120]} early, {memory[-1]} late")
        late = 256 + session.latency
    check(found, 256, late)
    for name, early in memory[120].items():
        assert max(size[name] for size in memory[120:]) < early + 4096, name


@pytest.fixture
def song(tmp_path: Path) -> Source:
    """Music that is long enough for a slow machine, and no large file."""
    piece = mixture(demo_song(8.0)).samples[:1, ::4]
    write(tmp_path / "song.wav", Audio(np.tile(piece, 20), 11025))
    return open_source(tmp_path / "song.wav")


def heard_again(log: Path, recording: Path, song: Source) -> tuple[np.ndarray, SessionLog]:
    """What was played; asserts that its log and its song render to the same, sample for sample."""
    played, kept = read(recording).samples, read_log(log)
    np.testing.assert_array_equal(np.concatenate(list(replay(kept, song)), axis=1), played)
    return played, kept


@pytest.mark.slow
def test_killed_in_mid_play_the_worker_is_replaced_and_the_log_renders_to_what_was_played(
    song: Source, tmp_path: Path
) -> None:
    recording, log = tmp_path / "played.wav", tmp_path / "log.jsonl"
    with jack(256), Session(SHIPPED, song, level_db=0.0, recording=recording, log=log) as session:
        worker_status, playback_status = session.control.worker_status, session.control.playback_status
        wait(session, lambda: playback_status.position > 2 * session.rate)
        session.control.controls.set_gain("vocals", 9.0)
        killed, died, before = worker_status.pid, playback_status.position, playback_status.fallbacks
        os.kill(killed, signal.SIGKILL)
        said = wait(session, lambda: playback_status.fallbacks > before)
        said += wait(session, lambda: worker_status.pid != killed and worker_status.state == READY)
        said += wait(session, lambda: not playback_status.dry)
        session.control.controls.set_gain("vocals", 0.0)
        at, late = playback_status.position, session.latency
        wait(session, lambda: playback_status.position > at + session.rate)
        print("\n" + "\n".join(said) + "\n" + counts(session))
    assert any("SIGKILL" in line and "dry signal" in line for line in said)
    assert any("is back" in line for line in said)
    played, kept = heard_again(log, recording, song)
    # from the crossfade on what is heard is the song, as late as ever and at the level of what it steps in for
    dry = next(event for event in kept.changes if event.kind == Kind.DRY and event.at >= died)
    wet = next(event for event in kept.changes if event.kind == Kind.WET and event.at > dry.at)
    music, gain = song.read().samples, np.float32(dry.values[1])
    stop = min(wet.at, dry.at + 44100)
    came = gain * music[:, dry.at + FADE - late : stop - late]
    np.testing.assert_array_equal(played[:, dry.at + FADE : stop], came)
    assert np.abs(came).max() > 0.001


def test_a_server_that_goes_and_comes_back_and_an_audio_process_that_is_killed(song: Source, tmp_path: Path) -> None:
    recording, log, name = tmp_path / "played.wav", tmp_path / "log.jsonl", f"hearsim_{os.getpid()}_gone"
    with ExitStack() as stack:
        stack.enter_context(talking_to(name))
        server = start_server(name, 256)
        stack.callback(lambda: stop_server(server))
        with Session(PROFILE, song, level_db=-6.0, recording=recording, log=log) as session:
            playback_status, late = session.control.playback_status, session.latency
            wait(session, lambda: playback_status.position > session.rate)
            stop_server(server)
            said = wait(session, lambda: playback_status.state == FAILED)
            stopped = playback_status.position
            server = start_server(name, 256)
            said += wait(session, lambda: playback_status.position > stopped + session.rate)
            os.kill(playback_status.pid, signal.SIGKILL)
            said += wait(session, lambda: playback_status.state != RUNNING)
            killed = playback_status.position
            said += wait(session, lambda: playback_status.position > killed + session.rate)
            assert session.latency == late
            assert b"it was asked for" in playback_status.message  # no other device in its place
            print("\n" + "\n".join(said) + "\n" + counts(session))
    assert any("has gone" in line for line in said)
    assert any("SIGKILL" in line and "Trying to open it again" in line for line in said)
    assert sum("is back" in line for line in said) == 2
    played, _ = heard_again(log, recording, song)
    for at in (stopped, killed):  # nothing jumps up where a stream begins: it fades in
        assert np.abs(played[:, at + 256 : at + 512]).max() < 0.01 < np.abs(played[:, : at + 44100]).max()


def test_a_measurement_whose_server_goes_ends_with_a_sentence() -> None:
    name = f"hearsim_{os.getpid()}_lost"
    with ExitStack() as stack:
        stack.enter_context(talking_to(name))
        server = start_server(name, 256)
        stack.callback(lambda: stop_server(server))
        with Session(PROFILE, probe=chirps()) as session:
            plug_cable()
            flatten(session)
            found = measure(session, 60.0)
            next(found)
            stop_server(server)
            with pytest.raises(HearsimError, match=r"nothing more can be measured: system .* has gone"):
                list(found)


def test_a_mono_device_gets_the_mean_of_both_ears_and_says_so() -> None:
    with jack(256, channels=1), Session(PROFILE, level_db=-20.0) as session:
        said = wait(session, lambda: session.control.playback_status.position > session.rate // 2)
    assert any("has one channel: it gets the mean of both ears, at most the lower limit" in line for line in said)
    assert any("both ears hear it" in line for line in said)


def test_loopback_on_the_command_line_shows_measured_declared_and_reported() -> None:
    with jack(128):
        command = [sys.executable, "-c", "from hearsim.cli import main; main()", "live", "loopback", "--seconds", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as live:
            assert live.stdout is not None
            lines = []
            for line in live.stdout:
                lines.append(line)
                if "chirps play" in line:
                    plug_cable()
            assert live.wait() == 0
        listing = subprocess.run([*command[:3], "devices"], stdout=-1, text=True, check=True).stdout
    said = "".join(lines)
    assert "measured 2.90 ms" in said and "measured in all: 1516 samples, the ledger's sum" in said
    assert "chosen: 0 system (JACK Audio Connection Kit), since its JACK server runs" in listing


def test_no_device_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody_is_there")
    if os.path.exists("/dev/snd"):
        pytest.skip("this machine has a sound card")
    with pytest.raises(HearsimError, match="there is no sound device"), Session(PROFILE):
        pass
