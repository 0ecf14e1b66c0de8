"""The mixer page refuses everybody but itself: a test for each way in."""

import http.client
import multiprocessing
import re
import resource
import socket
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from stage import Stage, ask, hear, until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hearsim.live.page.process import MOST_DEATHS
from hearsim.profile.load import load_profile

PROFILE = load_profile("moderate-vocals-up")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(PROFILE, tmp_path_factory.mktemp("page")).open() as stage:
        yield stage


def get(stage: Stage, path: str | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    link = stage.page.link
    connection = http.client.HTTPConnection(stage.host, timeout=60)
    connection.putrequest("GET", path or link[link.index("/", 8) :], skip_host=True)
    for name, value in {"Host": stage.host, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def token(stage: Stage) -> str:
    return stage.page.link.split("/")[3]


def port(stage: Stage) -> int:
    return int(stage.host.split(":")[1])


def test_the_link_opens_the_page_by_either_name(stage: Stage) -> None:
    for name in ("127.0.0.1", "localhost"):
        status, text, headers = get(stage, Host=f"{name}:{port(stage)}")
        assert (status, "<title>hearsim live" in text) == (200, True)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


@pytest.mark.parametrize("path", ["/", "/live", "/wrong/", "/wrong/mixer.js", "//", "/%00/"])
def test_without_the_token_nothing_is_served(stage: Stage, path: str) -> None:
    status, text, _ = get(stage, path)
    assert status == 403 and "open the link that hearsim printed" in text
    assert token(stage) not in text


def test_part_of_the_token_is_not_enough(stage: Stage) -> None:
    assert len(token(stage)) == 32
    assert get(stage, f"/{token(stage)[:-1]}/")[0] == 403
    assert get(stage, f"/{token(stage)}x/")[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_foreign_host_is_refused(stage: Stage, host: str) -> None:
    """A name that was made to point to this machine (DNS rebinding) does not help."""
    status, text, _ = get(stage, Host=host.format(port=port(stage)))
    assert status == 403 and "no other name" in text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused(stage: Stage, origin: str) -> None:
    status, text, _ = get(stage, Origin=origin.format(port=port(stage)))
    assert status == 403 and "own pages" in text


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}])
def test_a_foreign_websocket_is_refused(stage: Stage, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused, stage.socket(**headers):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_by_a_foreign_name_is_refused(stage: Stage) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    for host, answered in ((stage.host, 101), (f"evil.example:{port(stage)}", 403)):
        key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Origin": f"http://{host}", "Host": host}
        with socket.create_connection(("127.0.0.1", port(stage)), timeout=60) as raw:
            lines = [f"GET /{token(stage)}/live HTTP/1.1", *(f"{k}: {v}" for k, v in (key | upgrade).items()), "", ""]
            raw.sendall("\r\n".join(lines).encode())
            assert raw.recv(12) == f"HTTP/1.1 {answered}".encode()


def test_a_websocket_without_the_token_is_refused(stage: Stage) -> None:
    with pytest.raises(InvalidStatus) as refused, stage.socket(f"http://{stage.host}/wrong/"):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "path", ["server.py", "../server.py", "..%2fserver.py", "%2e%2e/host.py", "/etc/passwd", "mixes/x.toml", "live/"]
)
def test_only_the_page_s_own_files_are_served(stage: Stage, path: str) -> None:
    status, text, _ = get(stage, f"/{token(stage)}/{path}")
    assert status == 404 and len(text) < 100


def test_it_listens_on_the_loopback_only(stage: Stage) -> None:
    """Were it bound to all addresses, the rest of 127/8 would be, too."""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port(stage)), timeout=5)


def test_nothing_comes_from_outside() -> None:
    for name in ("mixer.html", "mixer.css", "mixer.js", "strips.js", "figures.js", "ledger.js", "undo.js"):
        text = files("hearsim.live.page").joinpath(name).read_text()
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert "@import" not in text and "url(" not in text


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("no json", "no JSON"),
        ("[" * 2000, "no JSON"),
        ("[1]", "an order is an object"),
        ({"do": "format c:"}, "is not an order"),
        ({"do": "gain", "stem": "vocals"}, "is not an order"),
        ({"do": "gain", "stem": "vocals", "db": "6"}, "is not an order"),
        ({"do": "gain", "stem": "vocals", "db": True}, "is not an order"),
        ({"do": "gain", "stem": "vocals", "db": 12.5}, "from -60 to 12 dB"),
        ({"do": "gain", "stem": "vocals", "db": 10**400}, "from -60 to 12 dB"),
        ({"do": "gain", "stem": "\ud800", "db": 99}, "no stem"),
        (b"not even text", "no JSON"),
        ('{"do": "gain", "stem": "vocals", "db": NaN}', "from -60 to 12 dB"),
        ({"do": "gain", "stem": "flute", "db": 0}, "no stem 'flute'"),
        ({"do": "level", "db": 1}, "give -80 to 0"),
        ({"do": "step", "step": "louder"}, "no step 'louder'"),
        ({"do": "profile", "name": "flat"}, "is not an order"),
        ({"do": "listener", "name": "../listeners/N2"}, "no listener is called"),
        ({"do": "profile", "name": "/etc/passwd", "mix": False}, "no profile is called"),
        ({"do": "profile", "name": "../profiles/flat", "mix": True}, "no profile is called"),
        ({"do": "preset", "name": "../rigs/aid"}, "no preset is called"),
        ({"do": "save", "name": "../x", "replace": True}, "can't be called"),
        ({"do": "save", "name": "/tmp/x", "replace": True}, "can't be called"),
        ({"do": "save", "name": "", "replace": True}, "can't be called"),
        ({"do": "save", "name": "flat", "replace": True}, "ships with hearsim"),
        ({"do": "record", "on": "/etc/passwd"}, "is not an order"),
    ],
)
def test_bad_orders_are_refused_in_a_sentence_and_change_nothing(stage: Stage, order: object, why: str) -> None:
    before, files_before = stage.control.controls.mixer_state(), sorted(stage.folder.rglob("*"))
    with stage.socket() as page:
        assert why in ask(page, order)["refused"]
        assert hear(page, "now")["now"]["step"] == "aid"
    assert stage.control.controls.mixer_state() == before
    assert sorted(stage.folder.rglob("*")) == files_before


def test_a_disk_that_is_full_is_one_sentence_and_the_session_goes_on(stage: Stage) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with stage.socket() as page:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            assert "large.toml" in ask(page, {"do": "save", "name": "large", "replace": False})["refused"]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "saved as" in ask(page, {"do": "save", "name": "large", "replace": False})["said"]
    (stage.folder / "mixes/large.toml").unlink()


def test_an_order_that_is_too_long_ends_the_connection(stage: Stage) -> None:
    with stage.socket() as page, pytest.raises(ConnectionClosed) as closed:
        ask(page, "x" * 5000)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_a_folder_that_can_not_be_made_is_one_sentence(stage: Stage) -> None:
    (stage.folder / "mixes").rmdir() if (stage.folder / "mixes").exists() else None
    (stage.folder / "mixes").write_text("a file")
    with stage.socket() as page:
        assert "mixes" in ask(page, {"do": "save", "name": "mine", "replace": False})["refused"]
    (stage.folder / "mixes").unlink()


def test_a_preset_is_a_mix_and_is_never_replaced_silently(stage: Stage) -> None:
    from hearsim.profile.load import load_mix

    controls, path = stage.control.controls, stage.folder / "mixes/mine.toml"
    with stage.socket() as page:
        page.send('{"do": "gain", "stem": "bass", "db": 3.5}')
        page.send('{"do": "mute", "stem": "drums", "on": true}')
        assert str(path) in ask(page, {"do": "save", "name": "mine", "replace": False})["said"]
        assert (load_mix(path).gains_db.bass, load_mix(path).gains_db.drums) == (3.5, "mute")
        page.send('{"do": "gain", "stem": "bass", "db": -9}')
        answer = ask(page, {"do": "save", "name": "mine", "replace": False})
        assert answer["taken"] == "mine" and "already there" in answer["refused"]
        assert load_mix(path).gains_db.bass == 3.5
        assert ask(page, {"do": "preset", "name": "mine"})["said"] == "preset mine"
        assert controls.gain_db("bass") == 3.5
        page.send('{"do": "gain", "stem": "bass", "db": -9}')
        assert "saved as" in ask(page, {"do": "save", "name": "mine", "replace": True})["said"]
        assert load_mix(path).gains_db.bass == -9.0
        assert "mine" in hear(page, "scene")["scene"]["presets"]
        ask(page, {"do": "preset", "name": "vocals-up"})
    assert (controls.gain_db("vocals"), controls.array("muted").any()) == (pytest.approx(6.0), False)


def test_a_server_that_ends_again_and_again_is_left_alone(tmp_path: Path) -> None:
    with Stage(PROFILE, tmp_path).open() as broken:
        for count in range(1, MOST_DEATHS + 2):
            broken.page.process.kill()
            until(lambda count=count: len(broken.said) == count)
        assert ["started again" in line for line in broken.said] == [True, True, True, False]
        assert "4 times in a row" in broken.said[-1]


def test_where_the_control_process_dies_with_an_order_unread_the_server_ends(tmp_path: Path) -> None:
    stage = Stage(PROFILE, tmp_path)
    with stage.page as page:
        with stage.socket() as socket:
            socket.send('{"do": "record", "on": true}')
            until(page._pipe.poll)
            page._pipe.close()  # as a death does it
            page._pipe, _ = multiprocessing.Pipe()
            page.process.join(30.0)
        assert page.process.exitcode == 0
    stage.control.close()
    stage.session.rings.close()
