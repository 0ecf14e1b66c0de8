"""Exit codes of commands, and a sentence instead of a traceback for Ctrl-C and SIGTERM."""

import signal
import sys
import threading
from collections.abc import Callable
from enum import IntEnum
from types import FrameType
from typing import Any, NoReturn


class ExitCode(IntEnum):
    """The exit codes of `hearsim`."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """The meaning of the code for `hearsim --help`."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "part of the work failed",
    ExitCode.BAD_INPUT: "wrong usage or bad input",
    ExitCode.HUNG_UP: "the terminal was closed",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}
EXIT_CODES = "Exit codes: " + ", ".join(f"{code.value} {code.meaning}" for code in ExitCode) + "."


def run(command: Callable[[], None]) -> NoReturn:
    """Run a command and end the process with its exit code.

    `HearsimError` becomes one sentence on stderr. SIGINT, SIGTERM and SIGHUP raise in the main thread, so that every
    `finally` runs (temporary files are deleted, worker processes end), and print one sentence too: also during
    the import of a C extension, which turns them into an ImportError.
    """
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        received.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    previous = _handle_signals(stop)
    code: object = ExitCode.OK
    try:
        command()
    except BaseException as error:
        code = _code_of(error, received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if received else handler)
    sys.exit(code)  # type: ignore[arg-type]


def _code_of(error: BaseException, received: list[int]) -> object:
    """Print the reason of a command's exception and return its exit code; re-raises internal errors."""
    from hearsim.core.errors import HearsimError

    if isinstance(error, SystemExit) and (not received or error.code in (None, 0)):
        return error.code
    if isinstance(error, HearsimError):
        print(f"hearsim: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    if received or isinstance(error, KeyboardInterrupt):
        ended = ExitCode(128 + received[0]) if received else ExitCode.INTERRUPTED
        print(f"hearsim: {ended.meaning}", file=sys.stderr)
        return ended
    raise error


def _handle_signals(stop: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Set `stop` as the handler of ending signals; return the earlier handlers. A signal ignored by nohup stays so."""
    previous: dict[int, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        return previous
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            previous[number] = signal.signal(number, stop)
    return previous
