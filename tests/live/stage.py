"""The mixer page on a stage: its real server and a real control block, but nobody who plays."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from hearsim.live.control import READY, RUNNING, Control
from hearsim.live.ledger import turn, waiting
from hearsim.live.page.process import PageProcess
from hearsim.live.player import Rings
from hearsim.live.recording import SessionRecorder
from hearsim.live.session import Session
from hearsim.profile.schema import Profile

PERIOD, PATIENCE_S = 256, 60.0
PARTS = [
    ["Reblock to 512", 0, "buffering"],
    ["overlap-add (window - hop)", 512, "algorithm"],
    ["Compensation", 0, "algorithm"],
    ["MPO limiter look-ahead", 44, "algorithm"],
    ["hearing-loss simulation", 882, "algorithm"],
]


class Stage:
    """A session that only seems to play, its page, and a thread that answers it."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        self.folder = folder
        self.session = Session(profile, loss=True)
        self.session.control, self.session.rings = Control.create(), Rings.create()
        self.session._recorder = SessionRecorder(self.session.rings, None, self.session.rate, print)
        self.control = self.session.control
        self._seem()
        self.page = PageProcess(self.session, folder / "mixes", folder)
        self.said: list[str] = []
        self._told: list[str] = []
        self._over = threading.Event()

    def _seem(self) -> None:
        controls, worker_status, playback_status = (
            self.control.controls,
            self.control.worker_status,
            self.control.playback_status,
        )
        controls.begin(self.session.profile, loss=True)
        controls.silent = 0
        worker_status.state, playback_status.state, playback_status.period = READY, RUNNING, PERIOD
        playback_status.delay, worker_status.latency = (
            waiting(PERIOD) + turn(PERIOD),
            sum(samples for _, samples, _ in PARTS),
        )
        worker_status.parts = json.dumps(PARTS).encode()
        worker_status.array("seconds")[:] = np.linspace(2.0e-3, 4.5e-3, 1024)
        worker_status.blocks, worker_status.late_blocks, playback_status.position = 32000, 3, 4_000_000
        playback_status.fallbacks, playback_status.dry_samples, playback_status.reported_ms = 1, 900, 11.6
        worker_status.array("stems")[:] = (1e-2, 3e-3, 5e-3, 1e-3)
        playback_status.array("peaks")[:] = (0.02, 0.011)

    def tell(self, line: str) -> None:
        """Let the session say something."""
        self._told.append(line)

    def _answer(self) -> None:
        while not self._over.wait(0.01):
            told, self._told = self._told, []
            self.said += self.page.turn(told)

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        answering = threading.Thread(target=self._answer)
        with self.page:
            answering.start()
            yield self
            self._over.set()
            answering.join()
        self.control.close()
        self.session.rings.close()

    @property
    def host(self) -> str:
        return self.page.link.split("/")[2]

    def socket(self, link: str | None = None, **headers: str) -> ClientConnection:
        """A websocket as a browser opens it, or with other headers."""
        all_headers = {"Origin": f"http://{self.host}", **headers}
        url = (link or self.page.link).replace("http://", "ws://") + "live"
        return connect(url, additional_headers={k: v for k, v in all_headers.items() if v}, proxy=None, open_timeout=60)


def ask(socket: ClientConnection, order: Any) -> dict[str, Any]:
    """Send an order; return what is answered to it."""
    socket.send(order if isinstance(order, str | bytes) else json.dumps(order))
    return hear(socket, "said", "refused")


def hear(socket: ClientConnection, *keys: str) -> dict[str, Any]:
    """Return the next message that has one of the keys."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        told: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE_S))
        if any(key in told for key in keys):
            return told
    raise AssertionError(f"nothing with {' or '.join(keys)} was said in {PATIENCE_S:g} s")


def until(there: Callable[[], bool], what: str = "it does not come to that") -> None:
    """Wait until something is so."""
    end = time.monotonic() + 5 * PATIENCE_S
    while not there():
        assert time.monotonic() < end, what
        time.sleep(0.02)
