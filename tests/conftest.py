"""What all tests share: their order, signals as in a terminal, and memory that is given back after each file."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Two workers share the machine's cores: with more threads each, torch's operations would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a shared machine a slow example says nothing of the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

LONG = {"experiment", "live", "training"}  # folders whose files take longest, and so come first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in LONG)


SIGNALS = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL, "SIGQUIT": signal.SIG_DFL}


@pytest.fixture(autouse=True)
def _signals_are_a_terminals() -> None:
    """A background job ignores these, and so does a process of live sound: commands that tests end would as well."""
    for name, handler in SIGNALS.items():
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)


@pytest.fixture(scope="module", autouse=True)
def _memory_is_given_back() -> Iterator[None]:
    yield
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed between blocks that are still in use
