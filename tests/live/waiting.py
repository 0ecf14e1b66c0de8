"""Waiting for a session to come to something; bounded, so that a test that hangs fails instead."""

import time
from collections.abc import Callable

from hearsim.live.session import Session

PATIENCE_S = 300.0


def wait(session: Session, there: Callable[[], bool]) -> list[str]:
    """Poll until something is so; return what the session said meanwhile."""
    said, until = [], time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < until, said
        assert not session.ended or there(), said
        said += session.poll()
        time.sleep(0.005)
    return said + session.poll()
