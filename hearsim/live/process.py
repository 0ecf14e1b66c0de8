"""Processes of a session: garbage collection, priority, and how they end."""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from hearsim.core.errors import HearsimError
from hearsim.live.shared import truncate_utf8

PRIORITY = 8  # of worker and audio process, under JACK's own
SWITCH_INTERVAL_S = 5e-4  # longest time that a thread holds the interpreter


class Reports(Protocol):
    """A block with a cell for an error message."""

    pid: int
    message: bytes


def quiet_process() -> None:
    """Stop the garbage collector and let threads give way soon; call after loading. Main thread only."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def ask_for_priority(priority: int) -> str:
    """Ask for SCHED_FIFO for the calling thread; return the result as a sentence."""
    if not hasattr(os, "sched_setscheduler"):
        return "this system has no SCHED_FIFO: other programs may make the worker late"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return (
            "real-time priority was refused, so other programs may make the worker late: allow it with a line "
            f"'@audio - rtprio {priority}' or more in /etc/security/limits.conf"
        )
    return f"real-time priority {priority} (SCHED_FIFO)"


def preloaded(module: str, function: str, *args: Any) -> BaseProcess:
    """Return a process that calls a function of a heavy module: a new worker is ready in one second, not in five.

    It is forked from a server that imports the module when the first is started, and ends with this process, which
    needs no import of its own. The environment is that of the server's start, and Ctrl-C is blocked. Systems without
    such a server start an interpreter for each process.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn").Process(target=_call, args=(module, function, *args), daemon=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    with undisturbed():
        forkserver.ensure_running()
    return context.Process(target=_call, args=(module, function, *args), daemon=True)


def _call(module: str, function: str, *args: Any) -> None:
    getattr(importlib.import_module(module), function)(*args)


def parent_lives() -> bool:
    """Return whether the process that started this one is still there."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Block Ctrl-C for processes started in the body: a blocked signal stays blocked in a child. Any thread."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def report_failure(block: Reports) -> Iterator[None]:
    """Note the process's id, ignore the signals that end a session, and write a failure of the body into the block.

    Ctrl-C and a terminal's end reach all processes of a session; the control process fades out, then ends the others.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    block.pid, block.message = os.getpid(), b""
    try:
        yield
    except HearsimError as error:
        block.message = truncate_utf8(str(error))
        sys.exit(2)
    except Exception as error:
        traceback.print_exc()
        block.message = truncate_utf8(f"{type(error).__name__}: {error}")
        sys.exit(1)
