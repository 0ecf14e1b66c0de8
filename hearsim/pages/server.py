"""A small local server: one ASGI application on 127.0.0.1, in a thread of its own, behind `AccessControl`.

It listens on the loopback only, but any page that a browser shows and any user of the machine can reach it there.
Therefore each request, a websocket's too, has to name the server itself as Host (a foreign name that points to
127.0.0.1 is refused), may come from no other Origin than the server, and has to bring the token, if there is one, as
the first part of its path.
"""

import asyncio
import queue
import secrets
import socket
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hearsim.core.errors import HearsimError

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
OWN_FILES_ONLY = {
    **NO_STORE,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FORBIDDEN, POLICY_VIOLATION = 403, 1008  # HTTP; a websocket that breaks the rules (RFC 6455, 7.4.1)


class AccessControl:
    """Passes requests with token, Host and Origin on to an application; the application never sees the others.

    Parameters
    ----------
    app : the ASGI application.
    port : the port of the server on 127.0.0.1.
    token : first part of every path, or None.
    headers : added to every response.
    """

    def __init__(
        self, app: ASGIApp, port: int, token: str | None = None, headers: Mapping[str, str] = OWN_FILES_ONLY
    ) -> None:
        self._app, self._token, self._headers = app, token, dict(headers)
        self._hosts = [f"{name}:{port}" for name in NAMES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        why = self.refusal(str(scope["path"]), Headers(scope=scope), needs_origin=scope["type"] == "websocket")
        if why is None:
            await self._app(scope, receive, self._with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": why})
        else:
            await PlainTextResponse(why, FORBIDDEN, self._headers)(scope, receive, send)

    def refusal(self, path: str, headers: Headers, needs_origin: bool) -> str | None:
        """Return why a request is refused, in a sentence, or None. A websocket `needs_origin`: browsers send it."""
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return f"this server is {self._hosts[0]} and answers to no other name"
        origins = headers.getlist("origin")
        if (origins or needs_origin) and origins not in [[f"http://{host}"] for host in self._hosts]:
            return "this server answers its own pages only"
        first = path.removeprefix("/").partition("/")[0]
        if self._token is not None and not secrets.compare_digest(first.encode(), self._token.encode()):
            return "the address has not the right token: open the link that hearsim printed"
        return None

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
            await send(message)

        return sending


def new_token() -> str:
    """Return a token of 192 random bits for a link."""
    return secrets.token_urlsafe(24)


def open_port(port: int = 0) -> socket.socket:
    """Return a socket that listens on 127.0.0.1 (port 0: any free one). Raises `HearsimError` where it can't."""
    try:
        return socket.create_server((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        raise HearsimError(f"port {port} can't be opened ({error}): choose another --port") from None


def link(listening: socket.socket, token: str | None = None) -> str:
    """Return the address of a server's first page."""
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}/{f'{token}/' if token else ''}"


class LocalServer:
    """Serves an application in a thread; a context manager. Methods: any thread but the server's own.

    Parameters
    ----------
    app : the ASGI application; its paths begin with the token, if there is one.
    listening : from `open_port`; closed when the server ends.
    token, headers : see `AccessControl`.
    longest_message : of a websocket, in bytes; a longer one ends the connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        token: str | None = None,
        headers: Mapping[str, str] = OWN_FILES_ONLY,
        longest_message: int = 1 << 16,
    ) -> None:
        self._listening = listening
        config = uvicorn.Config(
            AccessControl(app, listening.getsockname()[1], token, headers),
            ws="websockets-sansio",
            ws_max_size=longest_message,
            lifespan="off",
            log_level="warning",
            access_log=False,  # it would hold the token
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._loops = queue.SimpleQueue[asyncio.AbstractEventLoop]()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))  # in one, uvicorn takes no signals

    async def _serve(self) -> None:
        self._loops.put(asyncio.get_running_loop())
        await self._server.serve(sockets=[self._listening])

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        self._loop = self._loops.get()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the server; requests under way have a second."""
        self._server.should_exit = True
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """Whether the thread serves; False after an error of the server's."""
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the server has ended, or for some seconds."""
        self._thread.join(seconds)

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine in the server's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
