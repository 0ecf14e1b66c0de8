"""Sessions through a real server with a real clock: JACK's dummy driver. Late blocks and xruns are printed.

Nothing here leaves a process behind: servers end by their handle, sessions end their own.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jack import jack, needs_jack, plug_cable, start_server, stop_server
from waiting import wait

from hearsim.audio import Audio
from hearsim.audio_files import open_source, read, write
from hearsim.demo_song import demo_song, mixture
from hearsim.errors import HearsimError
from hearsim.live.log import read_log
from hearsim.live.loopback import chirps, flatten, measure
from hearsim.live.replay import replay
from hearsim.live.session import Session
from hearsim.live.timing import budget
from hearsim.profile import load_profile

pytestmark = [needs_jack, pytest.mark.slow]
PROFILE = load_profile("moderate-vocals-up")


def counts(session: Session) -> str:
    playing, working = session.control.playing, session.control.working
    return (
        f"period {playing.period}: {playing.position / session.rate:.0f} s, {working.late_blocks} late blocks of "
        f"{working.blocks}, {playing.fallbacks} times dry ({playing.dry_samples / max(playing.position, 1):.2%}), "
        f"{playing.xruns} xruns, reported {playing.reported_ms:.2f} ms"
    )


def loop(period: int, seconds: float) -> None:
    with jack(period), Session(PROFILE, probe=chirps()) as session:
        plug_cable()
        flatten(session)
        found = list(measure(session, seconds))
        ledger = budget(session.control.working.path_parts(), session.rate, period, period, "measured")
        print(f"\n{len(found)} chirps, {found[0].device} + engine = {found[0].total} samples; {counts(session)}")
    assert len(found) >= 2 * seconds - 2
    assert {chirp.device for chirp in found} == {period}  # with blocksize=0 the device costs one period
    assert {chirp.total for chirp in found} == {ledger.total_samples}
    like = [min(chirp.device_peak, chirp.total_peak) >= 0.99 for chirp in found]
    assert np.mean(like) >= 0.9


@pytest.mark.parametrize("period", [64, 128, 256, 512])
def test_measured_delay_is_constant_and_the_ledger(period: int) -> None:
    loop(period, 3.0)


@pytest.mark.slow
@pytest.mark.parametrize("period", [64, 128, 256, 512])
def test_measured_delay_is_constant_and_the_ledger_for_a_minute(period: int) -> None:
    loop(period, 60.0)


def test_killed_in_mid_play_the_worker_is_replaced_and_the_log_renders_to_what_was_played(tmp_path: Path) -> None:
    song = mixture(demo_song(8.0))
    write(tmp_path / "song.wav", Audio(np.tile(song.samples, 20), song.rate))  # long enough for a slow machine
    source, recording, log = open_source(tmp_path / "song.wav"), tmp_path / "played.wav", tmp_path / "log.jsonl"
    with jack(256), Session(PROFILE, source, level_db=0.0, recording=recording, log=log) as session:
        working, playing = session.control.working, session.control.playing
        wait(session, lambda: playing.position > 2 * session.rate)
        session.control.wanted.set_gain("vocals", 9.0)
        killed, before = working.pid, playing.fallbacks
        os.kill(killed, signal.SIGKILL)
        said = wait(session, lambda: playing.fallbacks > before)
        said += wait(session, lambda: working.pid != killed and working.state == 2)
        said += wait(session, lambda: not playing.dry)
        session.control.wanted.set_gain("vocals", 0.0)
        at = playing.position
        wait(session, lambda: playing.position > at + session.rate)
        print("\n" + "\n".join(said) + "\n" + counts(session))
    assert any("SIGKILL" in line and "dry signal" in line for line in said)
    assert any("is back" in line for line in said)
    played = read(recording).samples
    np.testing.assert_array_equal(played, np.concatenate(list(replay(read_log(log), source)), axis=1))
    starts = [event.at for event in read_log(log).moves if event.kind == 1]
    assert len(starts) == 2
    between = played[:, 3 * 44100 : starts[1]].reshape(2, -1)[:, : 44100 // 2]
    assert np.abs(between).max() > 0.001  # something was heard meanwhile


def test_a_server_that_goes_and_comes_back() -> None:
    with jack(256) as name:
        server = None
        try:
            os.environ["JACK_DEFAULT_SERVER"] = name + "_b"
            server = start_server(name + "_b", 256)
            with Session(PROFILE, level_db=-20.0) as session:
                playing = session.control.playing
                wait(session, lambda: playing.position > session.rate)
                stop_server(server)
                said = wait(session, lambda: playing.state == 4)
                stopped = playing.position
                server = start_server(name + "_b", 256)
                said += wait(session, lambda: playing.position > stopped + session.rate)
                print("\n" + "\n".join(said) + "\n" + counts(session))
                assert any("has gone" in line for line in said)
                assert any("is back" in line for line in said)
                assert session.latency == playing.delay + session.control.working.latency
        finally:
            if server is not None:
                stop_server(server)


def test_a_server_at_48_khz_is_one_sentence() -> None:
    with (
        jack(256, rate=48000),
        pytest.raises(HearsimError, match=r"runs at 48000 Hz, the model at 44100: start its server .*jackd -r 44100"),
        Session(PROFILE),
    ):
        pass


def test_a_mono_device_gets_the_mean_of_both_ears_and_says_so() -> None:
    with jack(256, channels=1), Session(PROFILE, level_db=-20.0) as session:
        said = wait(session, lambda: session.control.playing.position > session.rate // 2)
    assert any("has one channel: it gets the mean of both ears" in line for line in said)
    assert any("both ears hear it" in line for line in said)


def test_loopback_on_the_command_line_shows_measured_declared_and_reported() -> None:
    with jack(128):
        command = [sys.executable, "-c", "from hearsim.cli import main; main()", "live", "--loopback", "--seconds", "2"]
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
