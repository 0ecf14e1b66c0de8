"""A small collector for webMUSHRA on 127.0.0.1; it refuses requests of other hosts and origins than its own.

It serves the files of an export and of a webMUSHRA checkout as one site, and receives the results instead of
`service/write.php`. A session is on the disk (fsync) before the page gets its answer, so a confirmed session survives a
kill at any time. The table of ratings is rewritten from all sessions at each start and after each session.
"""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from threading import Event, Lock
from typing import Self

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, writes
from hearsim.listening_test.names import CALIBRATION, RESULTS, SERVICE, config_name
from hearsim.listening_test.sessions import UNREADABLE, parse, read_manifest, rows, save, write_table
from hearsim.pages.server import NO_STORE, LocalServer, link, open_port

LARGEST = 64 << 20
Log = Callable[[str], None]


class Collector:
    """Sessions of one export, kept in its folder `results`; safe to be called from several threads."""

    def __init__(self, export: Path, log: Log) -> None:
        """Raise `HearsimError` for a folder that is no export, has changed, or holds no webMUSHRA test."""
        self.manifest = read_manifest(export / "manifest.json")
        self.pages = export / "webmushra"
        if not self.pages.is_dir():
            raise HearsimError(f'{export} holds no webMUSHRA test: export it with formats = ["webmushra"]')
        for one in self.manifest["stimuli"]:
            file = self.pages / "stimuli" / self.manifest["name"] / one["file"]
            if not file.is_file() or file.stat().st_size != one["bytes"]:
                raise HearsimError(f"{file} is missing or has another length than in the export: export the test anew")
        self.sessions = export / RESULTS / "sessions"
        self.table = export / RESULTS / "ratings.csv"
        self._log, self._lock = log, Lock()
        make_folder(self.sessions)
        self._write_table()

    def take(self, body: bytes) -> str:
        """Save the body of a POST; return "" for a session of this test on the disk, else the error as a sentence."""
        with self._lock:
            try:
                file = save(self.sessions, body)
            except OSError as error:
                why = f"NOT SAVED: {self.sessions} can't be written ({error.strerror}): make room, and send it again"
                self._log(why)
                return why
            try:
                session = parse(body)
                count = len(list(rows(session, self.manifest)))
            except UNREADABLE as error:
                why = f"saved as {file.name}, but {error}"
                self._log(why)
                return why
            self._log(f"{session['testId']}: {count} ratings in {file.name}")
            self._write_table()
        return ""

    def _write_table(self) -> None:
        try:
            with writes(self.table):
                for sentence in write_table(self.sessions, self.manifest, self.table):
                    self._log(sentence)
        except HearsimError as error:  # the sessions are on the disk; the next write makes the table from them
            self._log(str(error))


def application(collector: Collector, checkout: Path) -> Starlette:
    """Return the web application: files of the export first, then of the checkout; a POST goes to the collector."""

    async def send_file(request: Request) -> Response:
        file = _file(request.url.path, collector.pages, checkout)
        if file is None:
            return PlainTextResponse("there is no such file", HTTPStatus.NOT_FOUND)
        return FileResponse(file)

    async def keep_session(request: Request) -> Response:
        """Save a session; webMUSHRA requires status 200 and an empty body for success."""
        length = request.headers.get("content-length", "")
        if not request.url.path.endswith(SERVICE):
            return PlainTextResponse(f"results go to {SERVICE}", HTTPStatus.NOT_FOUND)
        if not length.isdecimal() or int(length) > LARGEST:
            text = f"a session has a length, of {LARGEST} bytes at most"
            return PlainTextResponse(text, HTTPStatus.BAD_REQUEST)
        try:
            wrong = await run_in_threadpool(collector.take, await request.body())
        except ClientDisconnect:  # no one is connected to receive an answer
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return PlainTextResponse(wrong, HTTPStatus.CONFLICT if wrong else HTTPStatus.OK)

    return Starlette(
        routes=[
            Route("/{path:path}", keep_session, methods=["POST"]),
            Route("/{path:path}", send_file, methods=["GET"]),  # and HEAD
        ]
    )


def _file(path: str, export: Path, checkout: Path) -> Path | None:
    """Return the file of an address: from the export if it has it, else from the checkout; never from outside both."""
    steps = [step for step in path.split("/") if step not in ("", ".")] or ["index.html"]
    if ".." in steps or any("\\" in step or "\0" in step for step in steps):
        return None
    return next((file for place in (export, checkout) if (file := place.joinpath(*steps)).is_file()), None)


class Server:
    """The collector of one export on 127.0.0.1, over one checkout; a context manager that stops it on exit."""

    def __init__(self, collector: Collector, checkout: Path, port: int) -> None:
        """Raise `HearsimError` where the port can't be opened."""
        self.collector = collector
        self._app, self._listening, self._ended = application(collector, checkout), open_port(port), Event()
        self.server_address: tuple[str, int] = self._listening.getsockname()
        self.server_port = self.server_address[1]

    def serve_forever(self) -> None:
        """Serve until `shutdown`, or until an exception (Ctrl-C) ends the thread that calls this."""
        with LocalServer(self._app, self._listening, headers=NO_STORE) as server:
            while server.is_running and not self._ended.wait(1.0):
                pass

    def shutdown(self) -> None:
        """End `serve_forever`; any thread."""
        self._ended.set()

    def __enter__(self) -> Self:
        """Return the server; it serves when `serve_forever` is called."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the server."""
        self.shutdown()
        self._listening.close()

    def addresses(self) -> dict[str, str]:
        """Return the address of the calibration page, and of each participant's test."""
        test = self.collector.manifest["name"]
        people = [CALIBRATION, *(one["id"] for one in self.collector.manifest["participants"])]
        return {who: f"{link(self._listening)}?config={config_name(test, who)}" for who in people}


def serve(export: Path, checkout: Path, port: int, log: Log) -> Server:
    """Return a server (port 0: any free one) for `serve_forever`; `log` gets a sentence for each session.

    Raises `HearsimError` for a wrong export or checkout, and where the port is taken.
    """
    if not (checkout / "lib" / "webmushra").is_dir():
        raise HearsimError(f"{checkout} is not webMUSHRA: give a checkout of github.com/audiolabs/webMUSHRA")
    collector = Collector(export, log)
    return Server(collector, checkout, port)
