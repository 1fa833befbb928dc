"""How full each queue is, at a cost that does not grow with what waits: every count stops at CAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from tasks_app import wording
from tasks_app.queue import statements

CAP = 10_000
MAX_QUEUES = 1_000


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A count above CAP means "at least CAP"; scheduled ones beyond the next CAP due of all queues are not counted."""

    name: str
    paused_at: datetime | None
    paused_by: str
    pause_reason: str
    waiting: int
    """Ready."""
    running: int
    scheduled: int
    gated: int
    oldest_wait: float | None
    """Seconds since the oldest ready task was due."""


def read(names: Sequence[str] | None = None) -> list[QueueNow]:
    """The first MAX_QUEUES of these queues, or of all, by name."""
    parameters = {
        "names": None if names is None else list(names),
        "max_queues": MAX_QUEUES,
        "limit": CAP + 1,
    }
    return [QueueNow(*row) for row in statements.run("backlog", parameters)]


def in_words(queue: QueueNow, scheduled_cut: bool) -> dict[str, str]:
    """Its numbers as every page shows them. `scheduled_cut`: there were more scheduled tasks than were counted."""
    paused = ""
    if queue.paused_at:
        since = wording.duration((timezone.now() - queue.paused_at).total_seconds())
        reason = f": {queue.pause_reason}" if queue.pause_reason else ""
        paused = f"for {since} by {queue.paused_by}{reason}"
    return {
        "name": queue.name,
        "paused": paused,
        "waiting": wording.count(queue.waiting, CAP),
        "running": wording.count(queue.running, CAP),
        "scheduled": f"{queue.scheduled:,}{'+' if scheduled_cut else ''}",
        "gated": wording.count(queue.gated, CAP),
        "oldest": "" if queue.oldest_wait is None else wording.duration(queue.oldest_wait),
    }


def table(queues: Sequence[QueueNow]) -> list[dict[str, str]]:
    cut = sum(queue.scheduled for queue in queues) > CAP
    return [in_words(queue, cut) for queue in queues]
