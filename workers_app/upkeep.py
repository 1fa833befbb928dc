"""Upkeep: makes due tasks ready, takes dead workers' tasks back, keeps the tables small. Every worker does it; the rows
are guarded. It may be held up, by a long chunk or by a function of the user's, without the worker missing a beat."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError

from tasks_app import queue, registry
from tasks_app.queue.statements import connection, dedicate
from workers_app.part import part

log = logging.getLogger(__name__)

Chores = list[tuple[float, Callable[[], object]]]
"""(seconds between two runs, verb)."""

OF_TASKS: Chores = [
    (0.5, queue.promote),
    (0.5, queue.rescue),
    (1.0, queue.expire),
    (5.0, queue.age),
    (5.0, queue.find_queues),
    (5.0, lambda: queue.ungate(registry.names())),
]
OF_STORAGE: Chores = [
    (10.0, queue.vacuum),
    (60.0, queue.fold),
    (3600.0, queue.make_days),
    (3600.0, queue.prune),
    (3600.0, queue.analyze),
]
"""What may take long, and so has a thread of its own."""
TICK = 0.25


class Upkeep:
    def __init__(self, name: str, chores: Chores) -> None:
        self._chores = chores
        self._stopping = threading.Event()
        self._thread = part(name, self._run)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        dedicate()
        start = time.monotonic()
        # What is rare need not be done by all workers of a new deployment at once.
        due = [
            start + (random.uniform(0, 60.0) if interval >= 60 else 0)  # noqa: S311
            for interval, _ in self._chores
        ]
        while not self._stopping.is_set():
            for place, (interval, chore) in enumerate(self._chores):
                if time.monotonic() < due[place]:
                    continue
                try:
                    chore()
                except (OperationalError, InterfaceError) as error:
                    log.info("upkeep waits for the database: %s", str(error).strip())
                    connection().close()
                due[place] = time.monotonic() + interval * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self._stopping.wait(TICK)
