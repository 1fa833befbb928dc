"""The live hub: one read per second and process while somebody watches, handed to every viewer in memory."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import Error, connections

from analytics_app import queries
from tasks_app import conf

log = logging.getLogger(__name__)

PERIOD = 1.0
MAX_PAUSE = 15.0
"""Longest wait, in seconds, between two tries to reach a database that is away."""


def _read() -> str:
    """A frame as JSON, over a connection that is kept from one read to the next."""
    try:
        return json.dumps(queries.pulse.latest(), ensure_ascii=False, separators=(",", ":"))
    except Error:
        _disconnect()
        raise


def _disconnect() -> None:
    connections[conf.settings().DATABASE].close()


class Slot:
    """What one viewer gets next. It holds one frame: who reads slowly misses frames, never gets old ones."""

    def __init__(self) -> None:
        self._frame = ""
        self._filled = asyncio.Event()

    def put(self, frame: str) -> None:
        self._frame = frame
        self._filled.set()

    async def next(self) -> str:
        await self._filled.wait()
        self._filled.clear()
        return self._frame


class Hub:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._slots: set[Slot] = set()
        self._last: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def viewers(self) -> int:
        return len(self._slots)

    def join(self) -> Slot:
        slot = Slot()
        self._slots.add(slot)
        if self._last is not None:
            slot.put(self._last)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="live-hub")
        return slot

    def leave(self, slot: Slot) -> None:
        self._slots.discard(slot)

    async def stopped(self) -> None:
        """Returns when the last viewer is gone and the hub's connection is closed."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        # A thread of its own: a database that hangs holds up nobody's request, and its connection is closed at the end.
        with ThreadPoolExecutor(1, thread_name_prefix="live-hub") as thread:
            try:
                await self._serve(thread)
            finally:
                self._last = None
                self._task = None
                await asyncio.get_running_loop().run_in_executor(thread, _disconnect)

    async def _serve(self, thread: ThreadPoolExecutor) -> None:
        read = sync_to_async(_read, thread_sensitive=False, executor=thread)
        failures = 0
        while self._slots:
            try:
                frame = await read()
            except Error as error:
                failures += 1
                ceiling: float = min(MAX_PAUSE, PERIOD * 2**failures)
                pause = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
                log.warning(
                    "live: the database does not answer, next try in %.1f s: %s", pause, error
                )
                self._send(json.dumps({"topic": "outage", "retry_in": round(pause, 1)}))
            else:
                failures, pause = 0, PERIOD
                self._last = frame
                self._send(frame)
            await asyncio.sleep(pause)

    def _send(self, frame: str) -> None:
        for slot in self._slots:
            slot.put(frame)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of this event loop: a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
