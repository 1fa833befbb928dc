"""The worker's direct connection: it holds the advisory lock that proves life, and hears wake-up hints."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

import psycopg
from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app import conf, events
from tasks_app.queue import LOCK_CLASS
from tasks_app.queue.statements import connection
from workers_app.part import part

log = logging.getLogger(__name__)

RECONNECT = 0.2, 3.0
"""Seconds between tries to connect again: at first, and at the most."""
LISTEN_SLICE = 1.0
LOCKED_TIMEOUT = 30.0


class Lifeline:
    def __init__(self, serial: int, on_hint: Callable[[list[str], bool], None]) -> None:
        """`on_hint` gets the queues that got work, none when the hint does not say; and whether it came back to them."""
        self._serial = serial
        self._on_hint = on_hint
        self._stopping = threading.Event()
        self._locked = threading.Event()
        self._thread = part("lifeline", self._run)

    def start(self) -> bool:
        """Whether the lock was taken within LOCKED_TIMEOUT seconds."""
        self._thread.start()
        return self._locked.wait(LOCKED_TIMEOUT)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(LISTEN_SLICE * 3)

    def _run(self) -> None:
        first, longest = RECONNECT
        self._wait = first
        while not self._stopping.is_set():
            try:
                self._live()
            except (OperationalError, InterfaceError, psycopg.OperationalError) as error:
                if not self._stopping.is_set():
                    log.warning("lifeline lost, connecting again: %s", str(error).strip())
                self._stopping.wait(self._wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                self._wait = min(self._wait * 2, longest)

    def _live(self) -> None:
        # A connection of its own, not this thread's: nothing closes it but the end of the worker.
        line: BaseDatabaseWrapper = connection().copy()
        line.connect()
        try:
            raw: psycopg.Connection = line.connection
            while not self._lock(raw):
                # The server has not noticed yet that our former connection is gone.
                if self._stopping.wait(0.2):
                    return
            if conf.settings().WAKEUP == "notify":
                for channel in (events.READY, events.RETURNED):
                    raw.execute(f"LISTEN {channel}")
            self._locked.set()
            self._wait = RECONNECT[0]
            # What was told while nobody listened is found by looking once.
            self._on_hint([], True)
            while not self._stopping.is_set():
                for hint in raw.notifies(timeout=LISTEN_SLICE, stop_after=1):
                    self._on_hint(hint.payload.split(), hint.channel == events.RETURNED)
        finally:
            line.close()

    def _lock(self, raw: psycopg.Connection) -> bool:
        answer = raw.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, self._serial])
        row = answer.fetchone()
        return bool(row and row[0])
