"""The live socket: who may open it, what it sends, and what it makes of outages, slow viewers and talkative ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import Permission, User
from django.core.asgi import get_asgi_application
from django.db import OperationalError, connections
from django.test import Client

from analytics_app import queries
from analytics_app.live import consumers, hub
from analytics_app.routing import with_live_console

pytestmark = pytest.mark.django_db(transaction=True)

APPLICATION = with_live_console(get_asgi_application())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PERIOD", 0.05)
    monkeypatch.setattr(queries, "pulse", queries.Pulse())
    monkeypatch.setattr(queries.Pulse.latest, "__defaults__", (0.0,))


@pytest.fixture
def session(db: None) -> Callable[..., Client]:
    def login(*codenames: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user("operator", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return login


class Viewer:
    """A browser's side of the socket; channels.testing has one too, but needs daphne."""

    def __init__(self, client: Client | None = None, origin: str = "http://localhost") -> None:
        headers = [(b"host", b"localhost"), (b"origin", origin.encode())]
        if client is not None:
            cookies = "; ".join(f"{key}={value.value}" for key, value in client.cookies.items())
            headers.append((b"cookie", cookies.encode()))
        scope = {"type": "websocket", "path": "/ws/live", "headers": headers, "subprotocols": []}
        self.asgi = ApplicationCommunicator(APPLICATION, scope)

    async def connect(self) -> bool:
        await self.asgi.send_input({"type": "websocket.connect"})
        return (await self.asgi.receive_output(5))["type"] == "websocket.accept"

    async def frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads((await self.asgi.receive_output(5))["text"])
        return frame

    async def closed(self) -> int:
        """The code it is closed with, after whatever frames."""
        while (output := await self.asgi.receive_output(5))["type"] == "websocket.send":
            pass
        return int(output["code"])

    async def leave(self) -> None:
        await self.asgi.send_input({"type": "websocket.disconnect", "code": 1005})
        await self.asgi.wait(5)


async def last_leaves(viewer: Viewer) -> None:
    await viewer.leave()
    await asyncio.wait_for(hub.hub().stopped(), 5)
    assert hub.hub().viewers == 0


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs a test's coroutine; the thread of `sync_to_async` leaves no connection behind."""

    async def main() -> None:
        try:
            await coroutine
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(main())


def refused_with(viewer: Viewer, code: int) -> None:
    async def scenario() -> None:
        assert await viewer.connect()
        assert await viewer.closed() == code
        await viewer.leave()
        assert hub.hub().viewers == 0

    run(scenario())


def test_anonymous_is_refused():
    refused_with(Viewer(), 4401)


def test_staff_without_permission_is_refused(session):
    refused_with(Viewer(session()), 4403)


def test_who_is_not_staff_is_refused(session):
    refused_with(Viewer(session("view_task", is_staff=False)), 4403)


def test_another_origin_is_refused_before_anything_else(session):
    client = session("view_task")

    async def scenario() -> None:
        assert not await Viewer(client, "https://evil.example").connect()

    run(scenario())


def test_a_viewer_gets_frames_that_are_numbered_upwards(session):
    client = session("view_task")

    async def scenario() -> None:
        viewer = Viewer(client)
        assert await viewer.connect()
        first, second = [await viewer.frame() for _ in range(2)]
        await last_leaves(viewer)

        assert first["topic"] == "pulse"
        assert set(first["full"]) >= {"sentence", "tiles", "queues", "failures", "chart"}
        assert second["seq"] > first["seq"]

    run(scenario())


def test_viewers_share_one_read(session, monkeypatch):
    client = session("view_task")
    reads = []
    monkeypatch.setattr(queries.pulse, "latest", lambda: reads.append(1) or {"seq": len(reads)})

    async def scenario() -> None:
        viewers = [Viewer(client) for _ in range(3)]
        for viewer in viewers:
            await viewer.connect()
        seen = [{(await viewer.frame())["seq"] for _ in range(3)} for viewer in viewers]
        for viewer in viewers[1:]:
            await viewer.leave()
        await last_leaves(viewers[0])

        assert len(reads) <= max(max(seqs) for seqs in seen) + 2
        assert seen[0] & seen[1] & seen[2]

    run(scenario())


def test_nobody_watching_means_no_reads(session, monkeypatch):
    client = session("view_task")
    reads = []
    monkeypatch.setattr(queries.pulse, "latest", lambda: reads.append(1) or {"seq": 1})

    async def scenario() -> None:
        viewer = Viewer(client)
        await viewer.connect()
        await viewer.frame()
        await last_leaves(viewer)
        before = len(reads)
        await asyncio.sleep(0.2)

        assert len(reads) == before

    run(scenario())


def test_a_slow_viewer_gets_the_newest_frame_only():
    async def scenario() -> None:
        slot = hub.Slot()
        for frame in ("1", "2", "3"):
            slot.put(frame)

        assert await slot.next() == "3"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slot.next(), 0.05)

    run(scenario())


def test_tells_of_an_outage_and_goes_on_after_it(session, monkeypatch):
    client = session("view_task")
    answers = iter([OperationalError("gone"), OperationalError("gone")])

    def latest():
        if (failure := next(answers, None)) is not None:
            raise failure
        return {"seq": 7, "topic": "pulse"}

    monkeypatch.setattr(queries.pulse, "latest", latest)

    async def scenario() -> None:
        viewer = Viewer(client)
        await viewer.connect()
        frames = [await viewer.frame() for _ in range(3)]
        await last_leaves(viewer)

        assert [frame["topic"] for frame in frames] == ["outage", "outage", "pulse"]
        assert frames[0]["retry_in"] <= 0.1
        assert "gone" not in json.dumps(frames)

    run(scenario())


@pytest.mark.parametrize(
    "end", ["logged out", "deactivated", "permission taken", "password changed"]
)
def test_a_session_that_ended_is_shown_out(session, monkeypatch, end):
    monkeypatch.setattr(consumers, "CHECK_EVERY", 0.1)
    client = session("view_task")

    def change() -> None:
        user = User.objects.get(username="operator")
        if end == "logged out":
            client.logout()
        elif end == "permission taken":
            user.user_permissions.clear()
        elif end == "deactivated":
            User.objects.update(is_active=False)
        else:
            user.set_password("new")
            user.save()

    async def scenario() -> None:
        viewer = Viewer(client)
        await viewer.connect()
        await viewer.frame()
        await sync_to_async(change)()
        code = await viewer.closed()
        await last_leaves(viewer)

        assert code == (4403 if end == "permission taken" else 4401)

    run(scenario())


def test_what_a_client_says_is_ignored_until_it_is_too_much(session):
    client = session("view_task")

    async def scenario() -> None:
        viewer = Viewer(client)
        await viewer.connect()
        for _ in range(consumers.MAX_MESSAGES):
            await viewer.asgi.send_input({"type": "websocket.receive", "text": '{"pause": "mail"}'})
        await viewer.asgi.send_input({"type": "websocket.receive", "bytes": b"\xff"})
        code = await viewer.closed()
        await last_leaves(viewer)

        assert code == 1008

    run(scenario())
