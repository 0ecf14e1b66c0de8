"""A small collector for webMUSHRA, of nothing but the standard library, on 127.0.0.1.

It serves an export over a webMUSHRA checkout, as if the one had been copied into the other, and takes the results in
the place of `service/write.php`. A session is on the disk (fsync) before the page is told so; what was told to be saved
survives a kill at any time. The table of ratings is written anew from all sessions, at each start and each session.
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from hearsim.core.errors import HearsimError
from hearsim.core.files import writes
from hearsim.listening_test.names import CALIBRATION, RESULTS, SERVICE, config_name
from hearsim.listening_test.sessions import UNREADABLE, keep, parse, read_manifest, rows, write_table

LARGEST = 64 << 20
Log = Callable[[str], None]


class Collector:
    """Sessions of one export, kept in its folder `results`; safe to be called from several threads."""

    def __init__(self, export: Path, log: Log) -> None:
        """Raise `HearsimError` where the export is none, has changed, or holds no webMUSHRA test."""
        self.manifest = read_manifest(export / "manifest.json")
        self.pages = export / "webmushra"
        if not self.pages.is_dir():
            raise HearsimError(f'{export} holds no webMUSHRA test: export it with formats = ["webmushra"]')
        for one in self.manifest["stimuli"]:
            file = self.pages / "stimuli" / self.manifest["name"] / one["file"]
            if not file.is_file() or file.stat().st_size != one["bytes"]:
                raise HearsimError(f"{file} is missing, or not as long as it was exported: export the test anew")
        self.sessions = export / RESULTS / "sessions"
        self.table = export / RESULTS / "ratings.csv"
        self._log, self._lock = log, Lock()
        with writes(self.sessions):
            self.sessions.mkdir(parents=True, exist_ok=True)
        self._write_table()

    def take(self, body: bytes) -> str:
        """Keep the body of a POST; return "" when it is on the disk and a session of this test, or what is wrong."""
        with self._lock:
            try:
                file = keep(self.sessions, body)
            except OSError as error:
                why = f"NOT SAVED: {self.sessions} can't be written ({error.strerror}): make room, and send it again"
                self._log(why)
                return why
            try:
                session = parse(body)
                count = len(list(rows(session, self.manifest)))
            except UNREADABLE as error:
                why = f"kept as {file.name}, but {error}"
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
        except HearsimError as error:  # the sessions are safe, and the table is written anew from them next time
            self._log(str(error))


class _Handler(SimpleHTTPRequestHandler):
    """Files of the export first, then of the checkout; a POST goes to the collector."""

    def __init__(self, collector: Collector, checkout: Path, *args: Any) -> None:
        self.collector, self.checkout = collector, checkout
        super().__init__(*args)

    def translate_path(self, path: str) -> str:
        """Return the file of an address: of the export where it has it, else of the checkout; never one outside."""
        wanted = [step for step in unquote(urlsplit(path).path).split("/") if step not in ("", ".")]
        if ".." in wanted or any("\\" in step or "\0" in step for step in wanted):
            return str(self.collector.pages / "no such file")
        file = self.collector.pages.joinpath(*wanted)
        return str(file if file.is_file() else self.checkout.joinpath(*wanted))

    def end_headers(self) -> None:
        """Keep browsers from showing an earlier export."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def do_POST(self) -> None:
        """Keep a session; success is status 200 and an empty body, which webMUSHRA insists on."""
        length = self.headers.get("Content-Length", "")
        if not urlsplit(self.path).path.endswith(SERVICE):
            self._answer(HTTPStatus.NOT_FOUND, f"results go to {SERVICE}")
        elif not length.isdecimal() or int(length) > LARGEST:
            self._answer(HTTPStatus.BAD_REQUEST, f"a session has a length, of {LARGEST} bytes at most")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):  # else the browser has gone: nobody is there to be answered
                wrong = self.collector.take(body)
                self._answer(HTTPStatus.CONFLICT if wrong else HTTPStatus.OK, wrong)

    def _answer(self, status: HTTPStatus, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def list_directory(self, path: Any) -> None:
        """Refuse: a list of files is nothing for participants."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of files that are served."""


class Server(ThreadingHTTPServer):
    """A server on 127.0.0.1 of one export over one checkout."""

    def __init__(self, collector: Collector, checkout: Path, port: int) -> None:
        """Raise `OSError` or `OverflowError` where the port can't be opened."""
        self.collector = collector
        super().__init__(("127.0.0.1", port), partial(_Handler, collector, checkout))

    def addresses(self) -> dict[str, str]:
        """Return the address of the calibration page, and of each participant's test."""
        test = self.collector.manifest["name"]
        people = [CALIBRATION, *(one["id"] for one in self.collector.manifest["participants"])]
        return {who: f"http://127.0.0.1:{self.server_port}/?config={config_name(test, who)}" for who in people}


def serve(export: Path, checkout: Path, port: int, log: Log) -> Server:
    """Return a server (port 0: any free one) for `serve_forever`; `log` is given a sentence for each session.

    Raises `HearsimError` where export or checkout are none, or the port is taken.
    """
    if not (checkout / "lib" / "webmushra").is_dir():
        raise HearsimError(f"{checkout} is no webMUSHRA: give a checkout of github.com/audiolabs/webMUSHRA")
    collector = Collector(export, log)
    try:
        return Server(collector, checkout, port)
    except (OSError, OverflowError) as error:
        raise HearsimError(f"port {port} can't be opened ({error}): choose another --port") from None
