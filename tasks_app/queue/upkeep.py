"""What time and death ask for: due tasks become ready, and dead workers' tasks are taken back.

Every statement guards its rows, so any number of callers at once is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tasks_app import conf, events
from tasks_app.engine.states import MAX_CRASHES, Reason, State
from tasks_app.queue import partitions, statements
from tasks_app.queue.fleet import LOCK_CLASS
from tasks_app.queue.marks import Marks

log = logging.getLogger(__name__)

CHUNK = 500
SILENCE = 3.0
"""Seconds without a beat after which a free advisory lock proves a worker's death."""
ENDINGS = {None: "rescued", State.FAILED: "failed: poison", State.CANCELLED: "cancelled"}
DEADLINE_GRACE = 15.0
"""Seconds past its deadline after which a task is taken from a worker that did not end it."""


def promote() -> int:
    """Make every due task ready, in chunks; how many."""
    total = 0
    while True:
        moved = statements.run("promote", {"limit": CHUNK})
        total += len(moved)
        if moved:
            events.wake({queue for (queue,) in moved})
        if len(moved) < CHUNK:
            return total


def find_queues() -> None:
    """Make known the queues of tasks whose producer died before it could."""
    statements.run("find_queues")


def expire() -> int:
    """End the waiting tasks that had to start earlier, in chunks; how many."""
    total = 0
    while True:
        ended = partitions.repeat_when_missing(lambda: statements.in_transaction(_expire))
        total += ended
        if ended < CHUNK:
            return total


def _expire() -> int:
    found = [id for (id,) in statements.run("expired", {"limit": CHUNK})]
    parameters = {"id": found, "state": State.FAILED, "reason": Reason.EXPIRED, "note": None}
    return len(statements.run("end_waiting", parameters)) if found else 0


def age() -> int:
    """Raise the tasks that have waited long enough behind those of a higher priority; how many."""
    moved = statements.run("age", {"period": conf.settings().AGEING, "limit": CHUNK})
    if moved:
        events.wake({queue for (queue,) in moved}, returned=True)
    return len(moved)


def sweep(marks: Marks, queues: Sequence[str]) -> None:
    """Look at where the ready tasks of these queues begin, dead rows and all, so that no claim has to."""
    version = marks.version()
    marks.settle(statements.run("low_water", {"queues": list(queues)}), version)


def rescue() -> int:
    """Declare silent workers dead and take back, in chunks, what dead ones were running; how many tasks."""
    dead = statements.run(
        "declare_dead",
        {"silence": SILENCE, "lock_class": LOCK_CLASS},
    )
    for id, name, death in dead:
        log.warning("worker %s (%s) declared dead: %s", name, id, death)
    total = 0
    while True:
        lost = partitions.repeat_when_missing(
            lambda: statements.run(
                "rescue",
                {"grace": DEADLINE_GRACE, "limit": CHUNK, "max_crashes": MAX_CRASHES},
            )
        )
        total += len(lost)
        for id, queue, ending in lost:
            log.warning("task %s of queue %s %s", id, queue, ENDINGS[ending])
        if lost:
            events.wake({queue for _, queue, _ in lost}, returned=True)
        if len(lost) < CHUNK:
            return total
