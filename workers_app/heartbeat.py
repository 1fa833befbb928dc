"""The heartbeat: extends the worker's lease every second, and learns which queues there are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from uuid import UUID

from django.db import InterfaceError, OperationalError

from tasks_app import queue
from tasks_app.queue.statements import connection
from workers_app.part import part

log = logging.getLogger(__name__)

INTERVAL = 1.0


class Heartbeat:
    def __init__(
        self,
        worker: UUID,
        *,
        on_queues: Callable[[list[str]], None],
        on_fenced: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._on_queues = on_queues
        self._on_fenced = on_fenced
        self._stopping = threading.Event()
        self._thread = part("heartbeat", self._run)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(INTERVAL * 2)

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            try:
                queues = queue.beat(self._worker)
            except (OperationalError, InterfaceError) as error:
                log.warning("beat missed: %s", str(error).strip())
                connection().close()
                continue
            if queues is None:
                if not self._stopping.is_set():
                    self._on_fenced()
                break
            self._on_queues(queues)
