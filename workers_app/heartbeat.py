"""The heartbeat: extends the worker's lease every second, and learns which queues there are. The fuse: ends a worker
that could not extend its lease, before another may have its tasks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from uuid import UUID

from django.db import InterfaceError, OperationalError

from tasks_app import conf, queue
from tasks_app.queue.statements import connection, dedicate
from workers_app.part import part

log = logging.getLogger(__name__)

INTERVAL = 1.0
ECHO_EVERY = 15.0
"""Seconds between two calls to the worker's own lifeline, see there."""
FUSE = 5 / 6
"""Share of the lease after which a worker without an answered beat must not go on."""
FUSE_TICK = 0.25


class Heartbeat:
    def __init__(
        self,
        worker: UUID,
        *,
        on_queues: Callable[[list[str]], None],
        on_fenced: Callable[[str], None],
        echo: Callable[[], None] | None,
    ) -> None:
        """`on_fenced` gets the reason, and ends the process. `echo` calls the lifeline, if there is one to be called."""
        self._worker = worker
        self._on_queues = on_queues
        self._on_fenced = on_fenced
        self._echo = echo
        self._answered = _now()
        self._stopping = threading.Event()
        self._thread = part("heartbeat", self._run)
        # A thread of its own: the heartbeat's may be waiting for an answer that never comes.
        self._fuse = part("fuse", self._watch)

    def start(self) -> None:
        self._answered = _now()
        self._thread.start()
        self._fuse.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(INTERVAL * 2)

    def _run(self) -> None:
        dedicate()
        echo_at = time.monotonic() + ECHO_EVERY
        while not self._stopping.wait(INTERVAL):
            sent = _now()
            try:
                queues = queue.beat(self._worker)
                if self._echo is not None and time.monotonic() >= echo_at:
                    echo_at = time.monotonic() + ECHO_EVERY
                    self._echo()
            except (OperationalError, InterfaceError) as error:
                log.warning("beat missed: %s", str(error).strip())
                connection().close()
                continue
            if queues is None:
                if not self._stopping.is_set():
                    self._on_fenced("was declared dead")
                break
            self._answered = sent
            self._on_queues(queues)

    def _watch(self) -> None:
        while not self._stopping.wait(FUSE_TICK):
            if _now() - self._answered > conf.settings().LEASE * FUSE:
                self._on_fenced("cannot reach the database and its lease ends soon")


def _now() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
