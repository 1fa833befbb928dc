"""/ws/live: frames from the hub to one viewer. It takes no commands: those are POSTs, with CSRF and permission."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error

from analytics_app.live.hub import Slot, hub
from analytics_app.site import VIEW_TASKS

SIGNED_OUT = 4401
NOT_ALLOWED = 4403
TALKATIVE = 1008
MAX_MESSAGES = 10
"""That a client may send, all ignored, before it is shown out."""
CHECK_EVERY = 60.0
"""Seconds between two looks at session and permission: logging out does not close sockets by itself."""


def _refusal(user: Any) -> int | None:
    if not user.is_authenticated:
        return SIGNED_OUT
    if not (user.is_active and user.is_staff and user.has_perm(VIEW_TASKS)):
        return NOT_ALLOWED
    return None


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc] # channels has no types
    async def connect(self) -> None:
        self._slot: Slot | None = None
        self._jobs: list[asyncio.Task[None]] = []
        self._messages = 0
        # Accepted first: a browser learns the code of a close, but not why a handshake was refused.
        await self.accept()
        if code := await database_sync_to_async(_refusal)(self.scope["user"]):
            await self.close(code)
            return
        self._slot = hub().join()
        self._jobs = [
            asyncio.create_task(self._send_frames(self._slot)),
            asyncio.create_task(self._check_again()),
        ]

    async def disconnect(self, code: int) -> None:
        if self._slot is not None:
            hub().leave(self._slot)
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            await self.close(TALKATIVE)

    async def _send_frames(self, slot: Slot) -> None:
        while True:
            # Waits while the client's buffer is full; meanwhile the slot keeps only the newest frame.
            await self.send(text_data=await slot.next())

    async def _check_again(self) -> None:
        store = import_module(settings.SESSION_ENGINE).SessionStore
        while True:
            await asyncio.sleep(CHECK_EVERY)
            # Not during an outage: nothing is sent then either.
            with suppress(Error):
                # A new store: the one in the scope remembers the session as it was.
                user = await get_user({"session": store(self.scope["session"].session_key)})
                if code := await database_sync_to_async(_refusal)(user):
                    await self.close(code)
                    return
