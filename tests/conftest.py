"""What all tests share: signals as a terminal gives them, and memory that goes back to the system after each file."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest

# Two workers share the machine's cores: with more threads each, torch's operations would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job in the background (`make test &`, nohup, some CI) ignores these, and so would the commands that tests end.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGHUP", "SIGQUIT"):
    if hasattr(signal, _name):
        signal.signal(getattr(signal, _name), signal.SIG_DFL)


@pytest.fixture(scope="module", autouse=True)
def _memory_is_given_back() -> Iterator[None]:
    yield
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed between blocks that are still in use
