"""Hints that leave after commit: which queues got work. They may be lost; polling finds what they told of.

NOTIFY never rides in a caller's transaction, where it would make all commits wait for one another. One thread per
process sends, on a connection of its own: the first hint at once, those of the next milliseconds together.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterable

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app import conf
from tasks_app.models import Queue

log = logging.getLogger(__name__)

READY = "tq_ready"
"""Channel: these queues have work."""
RETURNED = "tq_returned"
"""Channel: tasks came back to these queues, to the places they had before others were claimed."""
GAP = 0.01
"""Seconds between two hints of one process."""
MAX_PAYLOAD = 7_000
"""Bytes; PostgreSQL takes 7,999."""
FLUSH_TIMEOUT = 2.0


class Sender:
    """Sends the names of queues that got work, and makes the names known."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: dict[str, set[str]] = {}
        """Channel → names that have not been sent."""
        self._known: set[str] = set()
        self._connection: object = None
        self._waiting = False
        self._sending = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def send(self, channel: str, queues: Iterable[str]) -> None:
        with self._changed:
            self._queues.setdefault(channel, set()).update(queues)
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="tq-wake", daemon=True)
                self._thread.start()
            if self._waiting:
                # Only then: to be woken for nothing, between two hints, would cost every enqueue a change of threads.
                self._waiting = False
                self._changed.notify_all()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> None:
        """Wait until what was handed in has left, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queues and not self._sending, timeout)

    def stop(self) -> None:
        """Flush, and close the connection."""
        self.flush()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(FLUSH_TIMEOUT)

    def _run(self) -> None:
        while hints := self._next():
            try:
                for channel, queues in hints.items():
                    self._tell(channel, queues)
            except (DatabaseError, InterfaceError) as error:
                log.info("wake-up hint lost (%s); workers poll", error)
                connections[conf.settings().DATABASE].close()
                self._pause(1.0)
            self._pause(GAP)
        connections[conf.settings().DATABASE].close()

    def _next(self) -> dict[str, set[str]]:
        with self._changed:
            self._sending = False
            self._changed.notify_all()
            while not self._queues and not self._stopping:
                self._waiting = True
                self._changed.wait()
            self._waiting = False
            hints, self._queues = self._queues, {}
            self._sending = bool(hints)
            return hints

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _tell(self, channel: str, queues: set[str]) -> None:
        if new := queues - self._known:
            Queue.objects.using(conf.settings().DATABASE).bulk_create(
                [Queue(name=name) for name in sorted(new)], ignore_conflicts=True
            )
            self._known |= new
        if conf.settings().WAKEUP == "poll":
            return
        payload = " ".join(sorted(queues))
        if len(payload.encode()) > MAX_PAYLOAD:
            payload = ""
        wrapper = connections[conf.settings().DATABASE]
        with wrapper.cursor() as cursor:
            pooled = conf.is_pooled(wrapper.settings_dict)
            if wrapper.connection is not self._connection and not pooled:
                # A hint may be lost, so it need not wait for the disk. Behind a pooler the session is another's too.
                cursor.execute("SET synchronous_commit = off")
                self._connection = wrapper.connection
            cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])


_sender = Sender()


def wake(
    queues: Iterable[str], *, returned: bool = False, within: BaseDatabaseWrapper | None = None
) -> None:
    """Tell workers that these queues have work, soon after the transaction under way has committed.

    `returned`: to look for it from the start of the queues, not from where they last found some. `within` is this
    thread's connection, if it is at hand.
    """
    channel = RETURNED if returned else READY
    named = set(queues)
    wrapper = within or connections[conf.settings().DATABASE]
    if wrapper.in_atomic_block:
        transaction.on_commit(
            lambda: _sender.send(channel, named), using=wrapper.alias, robust=True
        )
    else:
        _sender.send(channel, named)


def flush() -> None:
    """Wait a little for hints under way."""
    _sender.flush()


def stop() -> None:
    """Flush and close: for processes that end. A later hint starts anew."""
    global _sender
    _sender.stop()
    _sender = Sender()


def _after_fork() -> None:
    # The child has neither the thread nor the right to use its connection.
    global _sender
    _sender = Sender()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(stop)
