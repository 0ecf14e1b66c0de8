"""The page's server with pages that behave badly."""

import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from hearsim.live.control import Control
from hearsim.live.page import server
from hearsim.live.page.server import Relay
from hearsim.live.player import Rings


class Tab:
    """A page in a browser, as the server sees it."""

    def __init__(self, frozen: bool = False, gone: bool = False) -> None:
        self._frozen, self._gone = frozen, gone
        self.heard: list[dict[str, Any]] = []

    async def accept(self) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "websocket.disconnect"}

    async def send_json(self, told: dict[str, Any]) -> None:
        if self._gone:
            raise WebSocketDisconnect(1006)
        if self._frozen:
            await asyncio.sleep(60)
        self.heard.append(told)


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.setattr(server.view, "now", lambda control: {})
    monkeypatch.setattr(server.view, "health", lambda control, rings: {})
    monkeypatch.setattr(server.view, "delay", lambda control, rings: None)
    control: Control = None  # type: ignore[assignment]
    rings: Rings = None  # type: ignore[assignment]
    return Relay(control, rings, None)  # type: ignore[arg-type]


def test_a_page_that_takes_nothing_keeps_nothing_from_the_others(relay: Relay) -> None:
    frozen, awake = Tab(frozen=True), Tab()

    async def run() -> None:
        talks = [asyncio.create_task(relay.talk(tab)) for tab in (frozen, awake)]  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        telling = asyncio.create_task(relay.pass_on(None, {"said": "the worker is back"}))
        await asyncio.sleep(0.05)
        for task in (telling, *talks):
            task.cancel()

    asyncio.run(run())
    assert {"said": "the worker is back"} in awake.heard


def test_a_page_that_is_gone_before_it_was_shown_anything_is_no_error(relay: Relay) -> None:
    asyncio.run(relay.pass_on(None, {"scene": {"stems": []}}))
    asyncio.run(relay.talk(Tab(gone=True)))  # type: ignore[arg-type]
    assert relay._open == {}


def test_an_answer_goes_to_the_page_that_asked_and_news_to_all(relay: Relay) -> None:
    tabs = [Tab(), Tab()]

    async def run() -> None:
        talks = [asyncio.create_task(relay.talk(tab)) for tab in tabs]  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        await relay.pass_on(2, {"said": "saved as mine"})
        await relay.pass_on(None, {"said": "the device is gone"})
        for talk in talks:
            talk.cancel()

    asyncio.run(run())
    heard = [[one["said"] for one in tab.heard if "said" in one] for tab in tabs]
    assert heard == [["the device is gone"], ["saved as mine", "the device is gone"]]
