"""Watching a session: its memory, and waiting for it to come to something, bounded, so that no test hangs."""

import time
from collections.abc import Callable
from pathlib import Path

from hearsim.live.session import Session

PATIENCE_S = 300.0


def wait(session: Session, there: Callable[[], bool], patience_s: float = PATIENCE_S) -> list[str]:
    """Poll until something is so; return what the session said meanwhile."""
    said, until = [], time.monotonic() + patience_s
    while not there():
        assert time.monotonic() < until, said
        assert not session.ended or there(), said
        said += session.poll()
        time.sleep(0.005)
    return said + session.poll()


def resident_kb(session: Session) -> dict[str, int]:
    """The memory of the worker's and of the audio process that is resident (Linux)."""
    blocks = {"worker": session.control.worker_status, "audio": session.control.playback_status}
    return {name: _resident_kb(block.pid) for name, block in blocks.items()}


def _resident_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
