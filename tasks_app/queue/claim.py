"""claim: hand ready tasks to a live worker, each under a new fence."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from tasks_app import events
from tasks_app.engine.outcomes import Decision, Outcome, decide
from tasks_app.queue import statements
from tasks_app.queue.marks import Marks

ROUNDS = 20
"""Claims that follow each other at the most while tasks of paused names are put aside."""
ASIDE = 1_000
"""Tasks at the head of each queue that are looked through for more of those."""
EMPTY: dict[str, Callable[[], object]] = {"[]": list, "{}": dict}


@dataclass(slots=True)
class Claim:
    """One attempt that a worker may make. `(id, fence)` is what its finish must show.

    Not frozen, though nobody changes one: to make a frozen one takes longer than to run a small task.
    """

    id: UUID
    name: str
    queue: str
    priority: int
    backend: str
    args: list[Any]
    kwargs: dict[str, Any]
    fence: int
    attempt: int
    max_attempts: int
    timeout: float | None
    crashes: int
    enqueued_at: float
    first_started_at: float
    started_at: float
    """Seconds since the epoch: a datetime costs more to make than a small task to run, and few look at it."""
    worker_ids: list[UUID]
    errors: list[dict[str, Any]]
    snoozes: int
    rank: int
    position: int

    @property
    def key(self) -> tuple[UUID, int]:
        """Tells this claim from an earlier or later one of the same task."""
        return self.id, self.fence

    def decide(self, outcome: Outcome) -> Decision:
        return decide(
            outcome,
            attempt=self.attempt,
            max_attempts=self.max_attempts,
            crashes=self.crashes,
            snoozes=self.snoozes,
        )


_PLACES = {field.name: place for place, field in enumerate(fields(Claim))}
JSON_PLACES = [_PLACES[name] for name in ("args", "kwargs", "errors")]
WORKERS_PLACE = _PLACES["worker_ids"]


def claim(
    queues: Sequence[str], limit: int, worker: UUID, marks: Marks | None = None
) -> list[Claim]:
    """Up to `limit` tasks in the order they are to be started; none for a worker that is not alive.

    With `marks`, a claimer's own, only what lies behind them is looked at.
    """
    if limit < 1 or not queues:
        return []
    marks = marks or Marks()
    claims: list[Claim] = []
    for _ in range(ROUNDS):
        parameters = marks.stretches(queues) | {"limit": limit - len(claims), "worker": worker}
        rows = statements.run("claim", parameters)
        put_aside = rows[0][0]
        new = [_claim(row, worker) for row in rows if row[1] is not None]
        marks.passed((claim.queue, claim.rank, claim.position) for claim in new)
        claims += new
        if not put_aside or len(claims) >= limit:
            break
        statements.run("set_aside", {"queues": list(queues), "limit": ASIDE})
    order = {name: place for place, name in enumerate(queues)}
    claims.sort(key=lambda claim: (order[claim.queue], claim.rank, claim.position))
    return claims


def disown(worker: UUID, in_hand: Collection[UUID], older_than: float = 0.0) -> int:
    """After a claim without an answer: give back what runs under this worker and is not in its hands; how many.

    Only what was claimed more than `older_than` seconds ago: a younger claim may be on its way into those hands.
    """
    parameters = {"worker": worker, "in_hand": list(in_hand), "older_than": older_than}
    queues = statements.run("disown", parameters)
    if queues:
        events.wake({queue for (queue,) in queues}, returned=True)
    return len(queues)


def _claim(row: tuple[Any, ...], worker: UUID) -> Claim:
    values = list(row[1:-1])
    # Django leaves JSON as text to its own JSONField, which a raw statement does not pass through.
    for place in JSON_PLACES:
        text = values[place]
        values[place] = EMPTY[text]() if text in EMPTY else json.loads(text)
    # Left out of the answer where it is the only one.
    values[WORKERS_PLACE] = values[WORKERS_PLACE] or [worker]
    return Claim(*values)


def idle(queues: Sequence[str]) -> bool:
    """Whether these queues hold nothing that could be claimed now."""
    ((answer,),) = statements.run("idle", {"queues": list(queues)})
    return bool(answer)
