"""The page's process, managed by the control process: its server, restarts, and answers to its orders."""

import multiprocessing
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hearsim.core.errors import HearsimError
from hearsim.live.page.orders import Order
from hearsim.live.page.presets import Presets, TakenError
from hearsim.live.page.server import run_page
from hearsim.live.page.state import scene
from hearsim.live.process import undisturbed
from hearsim.live.session import Session, how
from hearsim.pages.server import link, new_token, open_port
from hearsim.profile.load import listener_names, load_listener, load_profile, profile_names
from hearsim.profile.schema import Listener, Profile

AGAIN_S, CLOSING_S = 0.5, 3.0
MOST_DEATHS, YOUNG_S = 3, 10.0  # so many early ends in a row are a permanent fault


class PageProcess:
    """The page of an open session; a context manager. Methods: control process, the session's thread.

    `presets` is the folder where the page may save mixes, `recordings` the one where it may record, under names of its
    own; it has no access to other files. `link` opens it.
    """

    def __init__(self, session: Session, presets: Path, recordings: Path) -> None:
        self._session, self._presets, self._recordings = session, Presets(presets), recordings
        self._given = session.profile
        self._token = new_token()
        self._young_deaths = 0

    def __enter__(self) -> Self:
        """Take a free port and start the server."""
        self._listening = open_port()
        self.link = link(self._listening, self._token)
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Notify the pages of the session's end, and end the server."""
        self._send(None, {"ended": True})
        self._pipe.close()
        self.process.join(CLOSING_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self._listening.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, server_end = context.Pipe()
        control, rings = self._session.control, self._session.rings
        self.process: SpawnProcess = context.Process(
            target=run_page, args=(self._listening, self._token, control, rings, server_end), daemon=True
        )
        with undisturbed():
            self.process.start()
        server_end.close()  # so that each side notices the end of the other
        self._since = time.monotonic()
        self._show()

    def turn(self, messages: list[str]) -> list[str]:
        """Answer orders, show the session's messages, and return messages about the page."""
        for message in messages:
            self._send(None, {"said": message})
        self._answer()
        age = time.monotonic() - self._since
        if self.process.exitcode is None or age < AGAIN_S or self._young_deaths > MOST_DEATHS:
            return []
        self._young_deaths = self._young_deaths + 1 if age < YOUNG_S else 1
        why = f"the page's server ended ({how(self.process)}): the sound goes on"
        if self._young_deaths > MOST_DEATHS:
            return [f"{why}, without the page, since it has ended {self._young_deaths} times in a row"]
        self._pipe.close()
        self._start()
        return [f"{why}, and the server is started again"]

    def _answer(self) -> None:
        try:
            while self._pipe.poll():
                number, order = self._pipe.recv()
                answer = self._execute(order)
                self._send(number, answer)
                if "said" in answer:
                    self._show()
        except (EOFError, ConnectionResetError):
            return  # the server is gone: `turn` starts it again

    def _execute(self, order: Order) -> dict[str, Any]:
        """Execute a page's order; return the answer to it."""
        try:
            return {"said": self._do(order)}
        except TakenError as error:
            return {"taken": order["name"], "refused": str(error)}
        except HearsimError as error:
            return {"refused": str(error)}

    def _do(self, order: Order) -> str:
        session = self._session
        match order:
            case {"do": "profile", "name": name, "mix": mix}:
                session.switch(self._profile(name), take_mix=mix)
                return f"profile {name}{' and its mix' if mix else ''}"
            case {"do": "listener", "name": name}:
                changed = Profile(**{**dict(session.profile), "listener": self._listener(name)})
                session.switch(changed, take_mix=False)
                return f"listener {name}"
            case {"do": "preset", "name": name}:
                session.control.controls.take_mix(self._presets.load(name))
                return f"preset {name}"
            case {"do": "save", "name": name, "replace": replace}:
                return f"saved as {self._presets.save(name, session.control.controls, replace)}"
            case {"do": "record", "on": True}:
                path = self._recordings / time.strftime("hearsim-%Y%m%d-%H%M%S.wav")
                session.record(path)
                return f"recording to {path}"
            case {"do": "record"}:
                session.stop_recording()
                return "recording ended"
        raise HearsimError(f"{order} is not an order")

    def _listener(self, name: str) -> Listener:
        if name == self._given.listener.name:
            return self._given.listener
        if name not in listener_names():
            raise HearsimError(f"no listener is called {name!r}: there are {', '.join(listener_names())}")
        return load_listener(name)

    def _profile(self, name: str) -> Profile:
        if name == self._given.name:
            return self._given
        if name not in profile_names():
            raise HearsimError(f"no profile is called {name!r}: there are {', '.join(profile_names())}")
        return load_profile(name)

    def _show(self) -> None:
        session = self._session
        own = [] if self._given.name in profile_names() else [self._given.name]
        presets, listener = self._presets.names, self._given.listener.name
        shown = scene(session.profile, own, listener, presets, session.loss, session.recording)
        self._send(None, {"scene": shown})

    def _send(self, number: int | None, message: dict[str, Any]) -> None:
        try:
            self._pipe.send((number, message))
        except (BrokenPipeError, ConnectionResetError):
            return  # as in `_answer`
