"""The worker's direct connection: it holds the advisory lock that proves life, and hears wake-up hints."""

from __future__ import annotations

import logging
import random
import threading
import time
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
    silence = 20.0
    """Seconds without an echo after which its connection is taken for dead: the heartbeat calls every 15."""

    def __init__(self, serial: int, on_hint: Callable[[list[str], bool], None]) -> None:
        """`on_hint` gets the queues that got work, none when the hint does not say; and whether it came back to them."""
        self._serial = serial
        self._on_hint = on_hint
        self._channels = [events.READY, events.RETURNED, self.echo_channel]
        self._stopping = threading.Event()
        self._locked = threading.Event()
        self._thread = part("lifeline", self._run)

    @property
    def echo_channel(self) -> str:
        """Whoever calls there is heard by this lifeline alone, and so shows that it hears anything."""
        return f"tq_echo_{self._serial}"

    @property
    def listens(self) -> bool:
        return conf.settings().WAKEUP == "notify"

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
            if self.listens:
                for channel in self._channels:
                    raw.execute(f"LISTEN {channel}")
            heard = time.monotonic()
            # What was told while nobody listened is found by looking once.
            self._on_hint([], True)
            locked = False
            while not self._stopping.is_set():
                # The server may not have noticed yet that our former connection is gone: until then that has the lock.
                if not locked and (locked := self._lock(raw)):
                    self._locked.set()
                    self._wait = RECONNECT[0]
                for hint in raw.notifies(timeout=LISTEN_SLICE if locked else 0.2, stop_after=1):
                    if hint.channel == self.echo_channel:
                        heard = time.monotonic()
                    else:
                        self._on_hint(hint.payload.split(), hint.channel == events.RETURNED)
                if self.listens and time.monotonic() - heard > self.silence:
                    raise OperationalError(f"nothing was heard for {self.silence:g} s")
        finally:
            line.close()

    def _lock(self, raw: psycopg.Connection) -> bool:
        answer = raw.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, self._serial])
        row = answer.fetchone()
        return bool(row and row[0])
