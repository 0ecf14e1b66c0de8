"""The page and the whole engine: what is clicked is heard, and without the page's process the sound goes on."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from browser import chromium, needs_browser, opened
from jack import jack, needs_jack
from stage import until
from websockets.sync.client import connect
from websockets.typing import Origin

from hearsim.core.audio import Audio
from hearsim.core.units import FloatArray
from hearsim.live.control import RUNNING
from hearsim.live.events import Kind
from hearsim.live.page.process import PageProcess
from hearsim.live.session import Session
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile


class Endless:
    """A song that is played again and again, as the session needs it of a `Source`."""

    path, sha256, frames = Path("endless"), "0", 1 << 40

    def __init__(self, song: Audio) -> None:
        self._song = song

    def blocks(self, size: int) -> Iterator[FloatArray]:
        samples = self._song.samples[:, : self._song.frames // size * size]
        while True:
            for start in range(0, samples.shape[1], size):
                yield samples[:, start : start + size]


@contextmanager
def looked_after(session: Session, page: PageProcess) -> Iterator[list[str]]:
    """Do what the command line does beside: look after the session, answer the page. Yields what was said."""
    said: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            lines = session.poll()
            said.extend([*lines, *page.turn(lines)])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield said
    finally:
        over.set()
        looking.join()


def brightness(sound: FloatArray) -> float:
    """The share of a sound's energy that lies above 1 kHz."""
    power = np.abs(np.fft.rfft(sound.mean(axis=0).astype(np.float64))) ** 2
    return float(power[power.size * 1000 // 22050 :].sum() / power.sum())


@needs_browser
def test_what_is_clicked_is_heard_and_without_the_page_the_sound_goes_on(tmp_path: Path) -> None:
    song = Endless(Audio(mixture(demo_song(3.0)).samples[:, :66150], 44100))
    with (
        Session(load_profile("moderate-vocals-up"), song, "null", level_db=0.0) as session,  # type: ignore[arg-type]
        PageProcess(session, tmp_path / "mixes", tmp_path) as host,
        looked_after(session, host) as said,
        chromium() as browser,
        opened(browser, host.link) as page,
    ):
        control, rings = session.control, session.rings
        controls, worker_status, playback_status = control.controls, control.worker_status, control.playback_status

        def moves() -> list[tuple[int, tuple[float, ...]]]:
            events, lost = rings.moves.since(0)
            assert lost == 0
            return [(event.at, event.values) for event in events if event.kind == Kind.MOVE]

        def heard() -> FloatArray:
            """What is played from now on, for a second and a half: once the song."""
            begin, frames = playback_status.position, 3 * session.rate // 2
            until(lambda: playback_status.position > begin + frames, "nothing is played any more")
            sound = np.zeros((2, frames), np.float32)
            assert rings.played.ready(begin) >= frames
            rings.played.read(begin, sound)
            return sound

        until(lambda: playback_status.position > 3 * session.rate, "it does not fade in")
        page.get_by_role("radio", name="Remix", exact=True).click()
        until(lambda: bool(moves()) and moves()[-1][1][4] == 1, "the bypass does not reach the worker")
        before, power = brightness(heard()), float(worker_status.array("stems")[0])
        page.get_by_role("button", name="Record").click()
        page.get_by_role("slider", name="vocals fader").press("Home")
        until(lambda: moves()[-1][1][0] == pytest.approx(1e-3), "the fader does not reach the worker")
        until(lambda: float(worker_status.array("stems")[0]) < 1e-4 * power, "the meter does not follow")
        page.get_by_role("button", name="solo bass").click()
        until(lambda: moves()[-1][1][1:4] == (0.0, 1.0, 0.0), "solo does not reach the worker")
        assert brightness(heard()) < 0.5 * before
        page.get_by_role("radio", name="Dry").click()
        until(lambda: moves()[-1][1][4] == 0, "the bypass does not reach the worker")
        assert brightness(heard()) > 0.8 * before
        delays = f"declared {session.latency} samples, measured in the music {session.latency} "
        page.locator("#measured").get_by_text(delays).wait_for()

        number, fallbacks = host.process.pid or 0, playback_status.fallbacks
        os.kill(number, signal.SIGKILL)
        until(lambda: any("SIGKILL" in line and "the sound goes on" in line for line in said), "nobody noticed")
        assert np.abs(heard()).max(axis=1).min() > 0.001
        assert (playback_status.state, playback_status.fallbacks) == (RUNNING, fallbacks)
        page.get_by_role("alert").wait_for(state="hidden")
        page.locator("#profile").select_option("severe-vocals-up")
        until(lambda: worker_status.profile_number == 1 and not playback_status.silent, "the profile does not change")
        page.get_by_role("button", name="Stop recording").click()
        until(lambda: not session.recording, "the recording does not end")
        assert controls.mixer_state().step == "dry"
    (recording,) = tmp_path.glob("hearsim-*.wav")
    assert recording.stat().st_size > 4 * session.rate * 8


@needs_jack
@pytest.mark.slow
def test_how_soon_a_fader_is_heard(tmp_path: Path) -> None:
    """From a move that the page sends to its being heard, by a real clock; printed, since machines vary."""
    song = Endless(mixture(demo_song(4.0)))
    with (
        jack(128),
        Session(load_profile("moderate-vocals-up"), song, level_db=-20.0) as session,  # type: ignore[arg-type]
        PageProcess(session, tmp_path / "mixes", tmp_path) as host,
        looked_after(session, host),
        connect(f"ws{host.link[4:]}live", origin=Origin(host.link.rsplit("/", 2)[0]), proxy=None) as page,
    ):
        threading.Thread(target=lambda: [None for _ in page], daemon=True).start()  # what it shows is not looked at
        moves, playback_status, late, heard = session.rings.moves, session.control.playback_status, session.latency, []
        until(lambda: playback_status.position > session.rate)
        for count in range(1, 101):
            seen, sent_at = moves.count, playback_status.position
            page.send(json.dumps({"do": "gain", "stem": "drums", "db": -6.0 if count % 2 else 3.0}))
            until(lambda seen=seen: moves.count > seen)
            heard.append(moves.since(seen)[0][0].at + late - sent_at)
            time.sleep(0.07 + 0.013 * (count % 7))
        p50, p90, most = np.percentile(heard, (50, 90, 100)) / session.rate * 1e3
        allowed = 512 + 0.01 * session.rate
        inside = np.mean(np.array(heard) <= allowed)
        print(
            f"\nheard after p50 {p50:.1f}, p90 {p90:.1f}, at most {most:.1f} ms; within one hop and 10 ms: {inside:.0%}"
        )
        assert session.latency == late and min(heard) > 0
