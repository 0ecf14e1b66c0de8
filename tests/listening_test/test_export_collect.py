"""The collector of webMUSHRA's results: what the page was told to be saved is on the disk, whatever happens then."""

import csv
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hearsim.core.errors import HearsimError
from hearsim.listening_test.collector import Server, serve
from hearsim.listening_test.names import SCHEMA

CODES = {"s0a": "reference", "s0b": "anchor35", "s0c": "unprocessed"}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export as far as the collector reads it, without its sounds."""
    folder = tmp_path / "out"
    audio = folder / "webmushra" / "stimuli" / "pop"
    audio.mkdir(parents=True)
    stimuli = []
    for code, condition in CODES.items():
        (audio / f"{code}.wav").write_bytes(b"RIFF" + code.encode())
        stimuli.append({"code": code, "file": f"{code}.wav", "bytes": 7, "condition": condition})
    people = [{"id": f"P{n}", "test_id": f"pop-P{n}", "group": "mild"} for n in (1, 2)]
    manifest = {"schema": SCHEMA, "name": "pop", "participants": people, "stimuli": stimuli}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "webmushra/configs").mkdir()
    (folder / "webmushra/configs/pop-P1.yaml").write_text("{}")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "webMUSHRA"
    (folder / "lib/webmushra").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "configs").mkdir()
    (folder / "configs/default.yaml").write_text("default")
    return folder


@pytest.fixture
def server(export: Path, checkout: Path) -> Iterator[Server]:
    log: list[str] = []
    with serve(export, checkout, 0, log.append) as running:
        running.log = log  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def session(who: str = "P1", uuid: str = "u1", comment: str = "", score: str = "42", **changes: Any) -> bytes:
    """The body of webMUSHRA's POST, which is not encoded."""
    responses = [
        {"stimulus": code, "score": score, "time": 900, "comment": None} for code in ("reference", "s0b", "s0c")
    ]
    table = {
        "testId": f"pop-{who}",
        "config": f"configs/pop-{who}.yaml",
        "participant": {"name": ["comment"], "response": [comment]},
        "trials": [{"type": "mushra", "id": "practice", "responses": responses[:1]},
                   {"type": "mushra", "id": "one", "responses": responses}],
        "uuid": uuid,
    }  # fmt: skip
    return b"sessionJSON=" + json.dumps(table | changes, ensure_ascii=False).encode()


def post(
    port: int, body: bytes, path: str = "/service/write.php", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, body, {"Content-type": "application/x-www-form-urlencoded", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def table(export: Path) -> list[dict[str, str]]:
    with (export / "results/ratings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_success_is_status_200_and_an_empty_body(server: Server, export: Path) -> None:
    assert post(server.server_port, session()) == (200, "")
    rows = table(export)
    assert [(row["participant"], row["group"], row["practice"], row["trial_id"], row["condition"]) for row in rows] == [
        ("P1", "mild", "1", "practice", "reference"),
        ("P1", "mild", "0", "one", "reference"),
        ("P1", "mild", "0", "one", "anchor35"),
        ("P1", "mild", "0", "one", "unprocessed"),
    ]
    assert {row["rating_score"] for row in rows} == {"42"}
    assert {row["rating_time"] for row in rows} == {"900"}


@pytest.mark.parametrize("text", ["a & b", "100 %", "x=1&sessionJSON=2", "a+b", 'Größe "x"\n–', "%26", "=,;'"])
def test_free_text_stays_as_it_is(server: Server, export: Path, text: str) -> None:
    """webMUSHRA's 4th defect: it does not encode its form, and PHP cuts it at an &."""
    body = session(comment=text)
    assert post(server.server_port, body) == (200, "")
    (kept,) = (export / "results/sessions").iterdir()
    assert kept.read_bytes() == body
    assert {row["comment"] for row in table(export)} == {text}


def test_the_disk_comes_before_the_answer(server: Server, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While fsync runs, on the file and then on its folder, the page waits."""
    synced, go = [], [threading.Event(), threading.Event()]
    reached = [threading.Event(), threading.Event()]

    def fsync(number: int) -> None:
        turn = len(synced)
        synced.append(os.readlink(f"/proc/self/fd/{number}"))
        reached[turn].set()
        assert go[turn].wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    answers: list[tuple[int, str]] = []
    page = threading.Thread(target=lambda: answers.append(post(server.server_port, session())))
    page.start()
    for turn in range(2):
        assert reached[turn].wait(60)
        assert answers == []
        go[turn].set()
    page.join(60)
    assert answers == [(200, "")]
    assert synced[0].endswith(".part")
    assert synced[1] == str(export / "results/sessions")


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    server: Server, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, text = post(server.server_port, session())
    assert status != 200
    assert "No space left on device" in text
    assert list((export / "results/sessions").iterdir()) == []
    assert post(server.server_port, session()) == (200, "")
    assert len(table(export)) == 4


def test_a_table_that_cannot_be_written_is_said_and_written_anew_with_the_next_session(
    server: Server, export: Path
) -> None:
    """The session itself is saved, and the page is told so."""
    (export / f"results/ratings.csv.{os.getpid()}.part").symlink_to("/dev/full")
    assert post(server.server_port, session()) == (200, "")
    assert "ratings.csv can't be written (No space left on device)" in server.log[-1]  # type: ignore[attr-defined]
    assert len(list((export / "results/sessions").iterdir())) == 1
    assert post(server.server_port, session(who="P2", uuid="u2")) == (200, "")
    assert len(table(export)) == 8


def test_a_session_sent_twice_counts_once_and_the_later_one(server: Server, export: Path) -> None:
    first, second = session(comment=""), session(comment="forgot this")
    for body in (first, first, second):
        assert post(server.server_port, body) == (200, "")
    assert len(list((export / "results/sessions").iterdir())) == 2
    rows = table(export)
    assert len(rows) == 4
    assert {row["comment"] for row in rows} == {"forgot this"}
    assert post(server.server_port, session(who="P2", uuid="u2")) == (200, "")
    assert len(table(export)) == 8


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"hello", "does not begin with sessionJSON="),
        (session()[:-20], "holds no whole session"),
        (b"sessionJSON=[]", "testId or trials are missing"),
        (b"sessionJSON=\xff", "holds no whole session"),
        (session(who="P9"), "'pop-P9' is not one of pop"),
        (session(trials=[{"type": "mushra", "id": "one", "responses": [{"stimulus": "old", "score": "1"}]}]), "'old'"),
        (session(trials=[{"id": "one"}]), "responses"),
        (session(participant=[1]), "get"),
    ],
)
def test_what_is_no_session_of_this_test_is_kept_and_refused(
    server: Server, export: Path, body: bytes, why: str
) -> None:
    assert post(server.server_port, session(uuid="good")) == (200, "")
    status, text = post(server.server_port, body)
    assert status != 200
    assert why in text
    assert body in [file.read_bytes() for file in (export / "results/sessions").iterdir()]
    assert len(table(export)) == 4
    assert post(server.server_port, session(uuid="after")) == (200, "")
    assert len(table(export)) == 8
    assert any(why in line and "is not in ratings.csv" in line for line in server.log)  # type: ignore[attr-defined]


def test_the_export_lies_over_the_checkout_and_nothing_else_is_served(server: Server, export: Path) -> None:
    port = server.server_port
    assert get(port, "/?config=pop-P1.yaml") == (200, b"the page")
    assert get(port, "/configs/pop-P1.yaml?x=1") == (200, b"{}")
    assert get(port, "/configs/default.yaml") == (200, b"default")
    assert get(port, "/stimuli/pop/s0a.wav") == (200, b"RIFFs0a")
    (export / "results/secret").write_text("x")
    for path in ("/manifest.json", "/../manifest.json", "/%2e%2e/manifest.json", "/..%2fmanifest.json", "/configs/",
                 "/stimuli/../../results/secret", "//etc/passwd", "/stimuli/pop", "/a%00b"):  # fmt: skip
        assert get(port, path)[0] == 404, path
    assert post(port, session(), "/manifest.json")[0] == 404
    assert server.server_address[0] == "127.0.0.1"
    assert server.addresses()["P1"] == f"http://127.0.0.1:{port}/?config=pop-P1.yaml"


def test_requests_of_foreign_pages_and_names_are_refused(server: Server, export: Path) -> None:
    """A page elsewhere may post to 127.0.0.1 from the browser, and a foreign name may point to it."""
    port = server.server_port
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": f"evil.example:{port}"}):
        assert post(port, session(), headers=headers)[0] == 403
        assert get(port, "/", headers)[0] == 403
    assert list((export / "results/sessions").iterdir()) == []
    for name in ("127.0.0.1", "localhost"):
        assert post(port, session(), headers={"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}) == (200, "")


def test_killed_between_any_two_requests_nothing_saved_is_lost(export: Path, checkout: Path) -> None:
    """Seven lives, each ended by SIGKILL after its answer; a half-written file of an eighth does no harm."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom hearsim.listening_test.collector import serve\n"
        f"server = serve(Path({str(export)!r}), Path({str(checkout)!r}), 0, lambda line: None)\n"
        "print(server.server_port, flush=True)\nserver.serve_forever()\n"
    )
    saved = 0
    for life in range(7):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            port = int(running.stdout.readline())
            assert len(table(export)) == 4 * saved  # written anew at the start
            for number in range(life % 3):
                assert post(port, session(uuid=f"{life}-{number}", comment="x" * 1000)) == (200, "")
                saved += 1
            running.send_signal(signal.SIGKILL)
        if life == 2:  # as if killed before the table was written
            (export / "results/ratings.csv").unlink()
        (export / "results/sessions/20260101T000000Z-0123.part").write_bytes(b"sessionJSON={")
    assert saved == 6
    assert len(list((export / "results/sessions").glob("*.session"))) == saved


def test_no_heavy_package() -> None:
    code = (
        "import sys, hearsim.listening_test.collector; "
        "print(sorted({'numpy', 'pydantic', 'torch', 'scipy', 'soundfile'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bad_places(export: Path, checkout: Path, server: Server) -> None:
    def refused(folder: Path, page: Path, port: int = 0) -> str:
        with pytest.raises(HearsimError) as error:
            serve(folder, page, port, print)
        return str(error.value)

    assert "is not webMUSHRA" in refused(export, export)
    assert f"port {server.server_port} can't be opened" in refused(export, checkout, server.server_port)
    assert "port 99999 can't be opened" in refused(export, checkout, 99999)
    assert "manifest.json can't be read" in refused(export / "nowhere", checkout)
    (export / "webmushra/stimuli/pop/s0b.wav").write_bytes(b"RIFF")
    assert "s0b.wav is missing or has another length than in the export" in refused(export, checkout)
    (export / "manifest.json").write_text('{"schema": "hearsim.listening-test/0"}')
    assert "export the test anew" in refused(export, checkout)
    (export / "manifest.json").write_text("[")
    assert "is not JSON" in refused(export, checkout)
