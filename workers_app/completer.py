"""The completer: writes outcomes in batches. It has no timer: what arrives during one flush is the next batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from tasks_app import queue
from tasks_app.queue import Answer, Finish
from tasks_app.queue.statements import dedicate
from workers_app.part import part
from workers_app.patience import GaveUp, persistently

log = logging.getLogger(__name__)

BATCH = 200
"""Outcomes in one flush at the most."""
BUSY_WAIT = 0.005
"""Seconds before rows that others held are tried again."""


class Completer:
    def __init__(
        self, on_answered: Callable[[list[Finish]], None], give_up: Callable[[], bool]
    ) -> None:
        """`on_answered` gets the outcomes that the database has answered, or that were given up."""
        self._on_answered = on_answered
        self._give_up = give_up
        self._inbox: SimpleQueue[Finish | None] = SimpleQueue()
        self._thread = part("completer", self._loop)

    def start(self) -> None:
        self._thread.start()

    def put(self, finish: Finish) -> None:
        self._inbox.put(finish)

    def close(self, timeout: float) -> None:
        """Write what was handed in, and end; at most `timeout` seconds."""
        self._inbox.put(None)
        self._thread.join(timeout)

    def _loop(self) -> None:
        dedicate()
        again: list[Finish] = []
        closing = False
        while again or not closing:
            batch, closing = self._next(again, closing)
            again = self._flush(batch) if batch else []
            if again and self._give_up():
                self._lose(again)
                return
            if again:
                time.sleep(BUSY_WAIT)

    def _next(self, again: list[Finish], closing: bool) -> tuple[list[Finish], bool]:
        """What was busy and what has come since, at most BATCH; and whether no more will come."""
        batch = list(again)
        wait = not again
        while len(batch) < BATCH and not closing:
            try:
                more = self._inbox.get(block=wait)
            except Empty:
                break
            wait = False
            if more is None:
                closing = True
            else:
                batch.append(more)
        return batch, closing

    def _flush(self, batch: list[Finish]) -> list[Finish]:
        """Write them; those that others held."""
        try:
            answers = persistently(lambda: queue.finish(batch), until=self._give_up)
        except GaveUp:
            self._lose(batch)
            return []
        for finish in batch:
            if answers[finish.claim.key] is Answer.STALE:
                log.warning(
                    "task %s: the outcome of attempt %d (fence %d) was refused, a newer one owns the task",
                    finish.claim.id,
                    finish.claim.attempt,
                    finish.claim.fence,
                )
        self._on_answered([f for f in batch if answers[f.claim.key] is not Answer.BUSY])
        return [f for f in batch if answers[f.claim.key] is Answer.BUSY]

    def _lose(self, batch: list[Finish]) -> None:
        log.warning("%d outcomes were not written; their tasks will run again", len(batch))
        self._on_answered(batch)
