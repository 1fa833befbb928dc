"""enqueue: an INSERT in the caller's own transaction, so that a task exists if and only if that commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from tasks_app import events
from tasks_app.queue import statements

MAX_NAME = 500
"""Characters in the name of a task or a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One task to be enqueued. Every door makes this value, from checked input."""

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


def enqueue(specs: Sequence[Spec]) -> None:
    """Store the tasks, and wake workers once the surrounding transaction, if any, has committed."""
    if not specs:
        return
    statements.run(
        "enqueue",
        {
            "id": [spec.id for spec in specs],
            "name": [spec.name for spec in specs],
            "queue": [spec.queue for spec in specs],
            "backend": [spec.backend for spec in specs],
            "priority": [spec.priority for spec in specs],
            "args": [spec.args for spec in specs],
            "kwargs": [spec.kwargs for spec in specs],
            "run_at": [spec.run_at for spec in specs],
            "timeout": [spec.timeout for spec in specs],
            "max_attempts": [spec.max_attempts for spec in specs],
        },
    )
    events.wake({spec.queue for spec in specs})
