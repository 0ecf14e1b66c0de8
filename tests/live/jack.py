"""A JACK server with the dummy driver: a real device with a real clock, for tests."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library

import pytest

NEEDED = ("jackd", "jack_wait", "jack_connect", "jack_disconnect", "jack_lsp")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
MISSING += [] if find_library("portaudio") else ["libportaudio"]
needs_jack = pytest.mark.skipif(
    bool(MISSING), reason=f"no {', '.join(MISSING)} here: apt-get install libportaudio2 jackd2"
)


def start_server(name: str, period: int, rate: int = 44100, channels: int = 2) -> subprocess.Popen[bytes]:
    dummy = ["-d", "dummy", "-r", str(rate), "-p", str(period), "-C", str(channels), "-P", str(channels)]
    server = subprocess.Popen(["jackd", "-n", name, "-R", "-P", "20", *dummy], stdout=-3, stderr=-3)
    subprocess.run(["jack_wait", "-s", name, "-w", "-t", "30"], check=True, stdout=-3, stderr=-3)
    return server


def stop_server(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextmanager
def talking_to(name: str) -> Iterator[None]:
    """Have processes that are started meanwhile talk to the server of a name, and start none by themselves."""
    kept = dict(os.environ)
    os.environ |= {"JACK_NO_AUDIO_RESERVATION": "1", "JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": name}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def jack(period: int, rate: int = 44100, channels: int = 2) -> Iterator[None]:
    """A server of its own while the block runs; processes started inside talk to it."""
    name = f"hearsim_{os.getpid()}_{period}_{rate}"
    with talking_to(name):
        server = start_server(name, period, rate, channels)
        try:
            yield
        finally:
            stop_server(server)


def plug_cable() -> None:
    """Connect the stream's first output to its first input, instead of the microphone."""
    ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
    into = next(port for port in ports if port.endswith(":in_0"))
    out = into.replace(":in_0", ":out_0")
    subprocess.run(["jack_disconnect", "system:capture_1", into], check=True, stdout=-3, stderr=-3)
    subprocess.run(["jack_connect", out, into], check=True, stdout=-3, stderr=-3)
    time.sleep(0.1)
