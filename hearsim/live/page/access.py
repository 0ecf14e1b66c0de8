"""Who may speak to the page's server: whoever has the link, from a page that it served itself.

The server listens on the loopback only, but so can be reached by any page that a browser shows and by any user of the
machine. Therefore each request, the websocket's too, has to bring the session's token (it is part of the path), the
server's own name as Host (a foreign name that points to 127.0.0.1 is refused), and no other Origin than the server.
"""

import secrets

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")
POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FORBIDDEN, REFUSED = 403, 1008  # HTTP; a websocket that breaks the rules (RFC 6455, 7.4.1)


class Gate:
    """Lets requests with token, Host and Origin through to an application, refuses all others before it sees them."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = [f"{name}:{port}" for name in NAMES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        why = self.refusal(str(scope["path"]), Headers(scope=scope), needs_origin=scope["type"] == "websocket")
        if why is None:
            await self._app(scope, receive, _with_policy(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": REFUSED, "reason": why})
        else:
            await PlainTextResponse(why, FORBIDDEN, POLICY)(scope, receive, send)

    def refusal(self, path: str, headers: Headers, needs_origin: bool) -> str | None:
        """Return why a request is refused, in a sentence, or None. A websocket `needs_origin`: browsers send it."""
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return f"this server is {self._hosts[0]} and answers to no other name"
        origins = headers.getlist("origin")
        if (origins or needs_origin) and origins not in [[f"http://{host}"] for host in self._hosts]:
            return "only the session's own page may speak to it"
        given = path.removeprefix("/").partition("/")[0]
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            return "this link is not the session's: take the one that `hearsim live` printed"
        return None


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] += [(name.lower().encode(), value.encode()) for name, value in POLICY.items()]
        await send(message)

    return sending
