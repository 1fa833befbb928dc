"""enqueue: an INSERT in the caller's own transaction, so that a task exists if and only if that commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from tasks_app import events
from tasks_app.queue import statements

MAX_NAME = 500
"""Characters in the name of a task or a queue."""


@dataclass(slots=True, kw_only=True)
class Spec:
    """One task to be enqueued. Every door makes this value, from checked input.

    Not frozen, though nobody changes one: a frozen one takes three times as long to make.
    """

    name: str
    args: str = "[]"
    """JSON text, as `engine.payload.encode` writes it."""
    kwargs: str = "{}"
    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    """Aware; None: now."""
    max_attempts: int = 3
    timeout: float | None = None
    """Seconds."""
    backend: str = "default"
    id: UUID = field(default_factory=uuid7)


COLUMNS = [field.name for field in fields(Spec)]


def enqueue(specs: Sequence[Spec]) -> None:
    """Store the tasks, and wake workers once the surrounding transaction, if any, has committed."""
    if not specs:
        return
    wrapper = statements.connection()
    if len(specs) == 1:
        values = {column: getattr(specs[0], column) for column in COLUMNS}
        statements.run("enqueue_one", values, prepare=True, on=wrapper)
    else:
        arrays = {column: [getattr(spec, column) for spec in specs] for column in COLUMNS}
        statements.run("enqueue", arrays, prepare=True, on=wrapper)
    events.wake({spec.queue for spec in specs}, within=wrapper)
