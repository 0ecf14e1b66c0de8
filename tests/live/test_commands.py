"""`hearsim live play` and `hearsim live replay` as a user runs them, and what can be typed meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.core.audio import Audio
from hearsim.core.audio_files import read, write
from hearsim.core.errors import HearsimError
from hearsim.live.commands import execute
from hearsim.live.control import Control, Controls
from hearsim.live.log import header
from hearsim.live.session import Session
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile

PROFILE = load_profile("moderate-vocals-up")
HEADER = json.dumps(header(PROFILE, False, 44100, {})) + "\n"
COMMAND = [sys.executable, "-c", "from hearsim.cli import main; main()"]


def run(*words: object, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, words)], input=typed, text=True, capture_output=True, check=False)


def test_live_then_replay(tmp_path: Path) -> None:
    song, played, log = tmp_path / "song.wav", tmp_path / "played.wav", tmp_path / "log.jsonl"
    write(song, mixture(demo_song(3.0)))
    typed = "bass solo\nnonsense\nlevel -6\n"
    live = run("live", "play", "--file", song, "--device", "null", "--record", played, "--log", log, typed=typed)
    assert live.returncode == 0, live.stderr
    assert re.search(r"the mixer, in a browser on this machine: http://127\.0\.0\.1:\d+/[\w-]{32}/\n", live.stdout)
    for said in ("bass: solo", "'nonsense' is not a command", "late blocks of"):
        assert said in live.stdout
    before, after = live.stdout.split("fading in to")
    assert "device, out and in" in before and "device, out and in" in after  # the ledger, at the start and at the end
    again = CliRunner().invoke(app, ["live", "replay", str(log), "--out", str(tmp_path / "out")])
    assert again.exit_code == 0, again.output
    assert f"equal to {played}, sample for sample" in again.stdout
    np.testing.assert_array_equal(read(tmp_path / "out/played.wav").samples, read(played).samples)
    # a log that says something else happened is found out
    log.write_text(log.read_text().replace('"step": "aid"', '"step": "dry"'))
    with pytest.raises(HearsimError, match=f"is not what {played} recorded"):
        CliRunner().invoke(app, ["live", "replay", str(log), "--out", str(tmp_path / "2")], catch_exceptions=False)


def test_ended_from_outside_it_fades_out_and_the_recording_takes_its_name(tmp_path: Path) -> None:
    song, played = tmp_path / "song.wav", tmp_path / "played.wav"
    write(song, Audio(np.tile(mixture(demo_song(6.0)).samples[:1, ::4], 20), 11025))
    words = ["live", "play", "--file", song, "--device", "null", "--record", played, "--level", "0", "--no-page"]
    with subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.PIPE, text=True) as live:
        assert live.stdout is not None
        said = [next(live.stdout)]
        while not said[-1].startswith("fading in"):
            said.append(next(live.stdout))
        time.sleep(1.0)
        live.send_signal(signal.SIGTERM)
        said += live.stdout
        assert live.wait() == 0, said
    assert "fading out\n" in said
    assert not any("http" in line for line in said)
    assert any(f"{played} holds" in line for line in said)
    sound = read(played).samples
    assert np.abs(sound).max() > 0.01
    assert not sound[:, -1:].any()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_ctrl_c_while_the_model_loads_is_no_traceback() -> None:
    words = ["live", "play", "--device", "null", "--no-page"]
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as live:
        assert live.stdout is not None
        assert next(live.stdout) == "loading the model ...\n"
        time.sleep(0.3)
        os.killpg(live.pid, signal.SIGINT)  # as a terminal does it: to all processes of the session
        _, said = live.communicate()
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input", "--file", "x.wav"], "exclude each other"),
        (["--file", "nowhere.wav"], "there is no such file"),
        (["--device", "null", "--level", "3"], "give -80 to 0"),
    ],
)
def test_bad_options_are_one_sentence(options: list[str], said: str) -> None:
    with pytest.raises(HearsimError, match=said):
        CliRunner().invoke(app, ["live", "play", *options], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json\n", "line 1 is not JSON"),
        ("[1]\n", "line 1 holds a list"),
        ('{"a": 1}\n', "is not a session log"),
        ("", "is not a session log"),
        ('{"hearsim": "session log/1"}\n', "line 1 lacks block, loss, rate, source, profile: was it edited"),
        (HEADER + '{"recording": "x.wav"}\n', "line 2 is not a recording of a session log .*'at'.*: was it edited"),
        (HEADER + '{"event": "end", "at": Infinity}\n', "line 2 is not an event of a session log"),
    ],
)
def test_a_broken_log_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(HearsimError, match=said):
        CliRunner().invoke(app, ["live", "replay", str(tmp_path / "log.jsonl")], catch_exceptions=False)


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(PROFILE)
    made.control = Control.create()
    made.control.controls.begin(PROFILE, loss=False)
    yield made
    made.control.close()


def test_typed_words_move_the_desk(session: Session) -> None:
    controls: Controls = session.control.controls
    gains = controls.mixer_state().gains
    assert gains == {stem: pytest.approx(PROFILE.mix.gain(stem)) for stem in gains}
    for line in ("vocals -60", "drums mute", "bass 12", "remix", "level -3.5"):
        execute(line, session)
    mixer = controls.mixer_state()
    assert mixer.gains == {"vocals": 0.001, "drums": 0.0, "bass": pytest.approx(3.981, abs=1e-3), "other": 1.0}
    assert (mixer.step, controls.level_db) == ("remix", -3.5)
    execute("drums unmute", session)
    execute("other solo", session)
    assert [stem for stem, gain in controls.mixer_state().gains.items() if gain] == ["other"]
    execute("other unsolo", session)
    execute("", session)
    assert controls.panic == 1
    execute("", session)
    assert controls.panic == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("vocals 13", "from -60 to 12"),
        ("vocals up", "'up' is not a number"),
        ("level 1", "give -80 to 0"),
        ("loss on", "start it with --loss"),
        ("kazoo 3", "is not a command"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_moves_nothing(line: str, said: str, session: Session) -> None:
    version = session.control.controls.version
    with pytest.raises(HearsimError, match=said):
        execute(line, session)
    assert session.control.controls.version == version


@pytest.mark.parametrize(
    ("module", "heavy"), [("devices", {"starlette", "uvicorn"}), ("page.server", set()), ("session", set())]
)
def test_the_processes_of_audio_page_and_control_are_light(module: str, heavy: set[str]) -> None:
    heavy |= {"torch", "numba", "scipy", "matplotlib"}
    code = f"import sys, hearsim.live.{module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
