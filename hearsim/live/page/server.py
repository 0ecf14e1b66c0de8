"""The page's process: an HTTP server on the loopback, moves of the mixer into shared memory, everything else by pipe.

    browser --- websocket --- this process --- shared memory --- worker, audio
                                   +---------- pipe ------------ control process

If it is killed, the session continues: the control process restarts it on the same socket, and pages reconnect.
"""

import asyncio
import signal
import socket
from contextlib import suppress
from importlib.resources import files
from multiprocessing.connection import Connection
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hearsim.core.errors import HearsimError
from hearsim.live.control import Control
from hearsim.live.page import orders
from hearsim.live.page import state as view
from hearsim.live.player import Rings
from hearsim.pages.server import LocalServer

SCRIPTS = ("mixer.js", "strips.js", "figures.js", "ledger.js", "undo.js")
FILES = {
    "": ("mixer.html", "text/html"),
    "mixer.css": ("mixer.css", "text/css"),
    **{name: (name, "text/javascript") for name in SCRIPTS},
}
METERS_EVERY_S, HEALTH_EVERY, DELAY_EVERY = 0.04, 12, 50  # seconds; counts of it
LONGEST_ORDER = 4096
HANG_UP_S = 0.5


class Relay:
    """Relays between open pages, the control block and the control process. Methods: the server's thread."""

    def __init__(self, control: Control, rings: Rings, pipe: Connection) -> None:
        self._control, self._rings, self._pipe = control, rings, pipe
        self._open: dict[int, WebSocket] = {}
        self._scene: dict[str, Any] | None = None
        self._opened = 0

    async def talk(self, page: WebSocket) -> None:
        """Serve one page until it disconnects."""
        await page.accept()
        self._opened += 1
        number = self._opened
        self._open[number] = page
        showing = asyncio.create_task(self._show(page))
        try:
            with suppress(WebSocketDisconnect):  # disconnected during an answer
                if self._scene:
                    await page.send_json({"scene": self._scene})
                while (message := await page.receive())["type"] == "websocket.receive":
                    await self._execute(number, page, message.get("text") or "")
        finally:
            showing.cancel()
            self._open.pop(number)

    async def _execute(self, number: int, page: WebSocket, text: str) -> None:
        try:
            order = orders.read(text)
            if not orders.move(order, self._control.controls):
                self._pipe.send((number, order))
        except HearsimError as error:
            await page.send_json({"refused": str(error)})

    async def _show(self, page: WebSocket) -> None:
        """Send meters often and the rest at intervals, as fast as the page receives."""
        turn = 0
        with suppress(WebSocketDisconnect, RuntimeError):  # disconnected during a message
            while True:
                message: dict[str, Any] = {"now": view.now(self._control)}
                if turn % HEALTH_EVERY == 0:
                    message["health"] = view.health(self._control, self._rings)
                if turn % DELAY_EVERY == 0:
                    message["delay"] = await asyncio.to_thread(view.delay, self._control, self._rings)
                await page.send_json(message)
                turn += 1
                await asyncio.sleep(METERS_EVERY_S)

    async def pass_on(self, number: int | None, message: dict[str, Any]) -> None:
        """Pass a message of the control process on to the page that asked, or to all."""
        self._scene = message.get("scene", self._scene)
        asked = [page for key, page in self._open.items() if number in (None, key)]
        sends = [self._tell(page, message) for page in asked]
        await asyncio.gather(*sends)  # a page that doesn't receive blocks no other

    async def _tell(self, page: WebSocket, message: dict[str, Any]) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await page.send_json(message)


def application(relay: Relay) -> Router:
    """Return the server's application: the page's files and its websocket."""

    async def file(request: Request) -> Response:
        found = FILES.get(request.path_params.get("name", ""))
        if found is None:
            return PlainTextResponse("there is no such file", 404)
        name, kind = found
        return Response(files(__package__).joinpath(name).read_bytes(), media_type=kind)

    routes = [WebSocketRoute("/{token}/live", relay.talk), Route("/{token}/{name}", file), Route("/{token}/", file)]
    return Router(routes, redirect_slashes=False)


def run_page(listening: socket.socket, token: str, control: Control, rings: Rings, pipe: Connection) -> None:
    """Serve until the control process closes the pipe; the page process's main function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the control process handles Ctrl-C
    relay = Relay(control, rings, pipe)
    with (
        LocalServer(application(relay), listening, token, longest_message=LONGEST_ORDER) as server,
        suppress(EOFError, ConnectionResetError),  # the latter where it left orders unread
    ):
        while server.is_running:
            if pipe.poll(HANG_UP_S):
                server.call(relay.pass_on(*pipe.recv()))
