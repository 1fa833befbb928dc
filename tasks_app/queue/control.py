"""What a person may do: every door calls these."""

from __future__ import annotations

from tasks_app import events
from tasks_app.queue import statements


def pause(queue: str, *, by: str, reason: str = "") -> None:
    """Stop claims from a queue; running tasks go on, and enqueueing too."""
    statements.run("pause", {"name": queue, "by": by, "reason": reason})


def resume(queue: str) -> bool:
    """Let workers claim from a queue again. False: there is no such queue."""
    known = bool(statements.run("resume", {"name": queue}))
    if known:
        events.wake({queue})
    return known
