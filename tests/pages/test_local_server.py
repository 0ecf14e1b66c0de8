"""The local server: who may speak to it, with and without a token; a port that is taken; its end."""

import http.client
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from hearsim.core.errors import HearsimError
from hearsim.pages.server import NO_STORE, LocalServer, link, open_port


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.path} {(await request.body()).decode()}")


APP = Router([Route("/{path:path}", echo, methods=["GET", "POST"])])


def ask(address: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    host, _, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, f"/{path}", body.encode(), {"Host": host, **headers})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


@pytest.fixture(params=[None, "secret"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with open_port() as listening, LocalServer(APP, listening, request.param, NO_STORE):
        yield link(listening, request.param)


def test_the_link_and_posts_of_the_own_page_are_answered(address: str) -> None:
    path = "/" + address.split("/", 3)[3]
    assert ask(address)[:2] == (200, f"{path} ")
    origin = "/".join(address.split("/")[:3])
    status, text, headers = ask(address + "results", "POST", "a rating", Origin=origin)
    assert (status, text) == (200, f"{path}results a rating")
    assert headers["cache-control"] == "no-store" and "content-security-policy" not in headers


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_foreign_hosts_and_origins_are_refused_with_and_without_a_token(address: str, headers: dict[str, str]) -> None:
    assert ask(address, "POST", "a rating", **headers)[0] == 403


def test_a_token_gates_every_path() -> None:
    with open_port() as listening, LocalServer(APP, listening, "secret"):
        for path in ("", "secre/", "secrets/", "x/secret/", "/secret/"):
            status, text, _ = ask(link(listening) + path)
            assert status == 403 and "open the link that hearsim printed" in text


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with open_port() as listening:
        port = listening.getsockname()[1]
        with pytest.raises(HearsimError, match=rf"port {port} can't be opened .*: choose another --port"):
            open_port(port)
    with pytest.raises(HearsimError, match="port 70000 can't be opened"):
        open_port(70000)


def test_it_ends_and_its_port_can_be_served_again() -> None:
    async def answer() -> int:
        return 42

    port = 0
    for _ in range(2):
        listening = open_port(port)
        port = listening.getsockname()[1]
        with LocalServer(APP, listening, "secret") as server:
            assert server.is_running
            assert ask(link(listening, "secret"))[0] == 200
            called: Future[int] = server.call(answer())
            assert called.result(60) == 42
        assert not server.is_running
