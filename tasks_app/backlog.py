"""How full each queue is, at a cost that does not grow with what waits: every count stops at CAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connections
from django.utils import timezone

from tasks_app import conf, wording

CAP = 10_000
MAX_QUEUES = 1_000

# Each inner ORDER BY names the index that has to be walked: without it the planner takes a sequential scan for a
# queue of which there are few rows or none. The oldest wait steps from one priority to the next, at most 201 times.
# Blocked tasks have no index that could count them.
SQL = """
SELECT q.name, q.paused_at, q.paused_by, q.pause_reason, ready.n, coalesce(running.n, 0), coalesce(scheduled.n, 0),
       coalesce(gated.n, 0), extract(epoch FROM now() - oldest.run_at)::float8
FROM (
    SELECT * FROM tq_queue WHERE %(names)s::text[] IS NULL OR name = ANY (%(names)s::text[])
    ORDER BY name LIMIT %(max_queues)s
) AS q
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM (
        SELECT FROM tq_task_live WHERE state = 'ready' AND queue = q.name
        ORDER BY priority DESC, position LIMIT %(limit)s
    ) AS counted
) AS ready
LEFT JOIN LATERAL (
    WITH RECURSIVE head AS (
        (SELECT priority, run_at FROM tq_task_live WHERE state = 'ready' AND queue = q.name
         ORDER BY priority DESC, position LIMIT 1)
        UNION ALL
        SELECT next.priority, next.run_at FROM head CROSS JOIN LATERAL (
            SELECT priority, run_at FROM tq_task_live
            WHERE state = 'ready' AND queue = q.name AND priority < head.priority
            ORDER BY priority DESC, position LIMIT 1
        ) AS next
    )
    SELECT min(run_at) AS run_at FROM head
) AS oldest ON true
LEFT JOIN (
    SELECT queue, count(*) AS n FROM (
        SELECT queue FROM tq_task_live WHERE state = 'running' ORDER BY worker_id LIMIT %(limit)s
    ) AS counted GROUP BY queue
) AS running ON running.queue = q.name
LEFT JOIN (
    SELECT queue, count(*) AS n FROM (
        SELECT queue FROM tq_task_live WHERE state = 'scheduled' ORDER BY run_at LIMIT %(limit)s
    ) AS counted GROUP BY queue
) AS scheduled ON scheduled.queue = q.name
LEFT JOIN (
    SELECT queue, count(*) AS n FROM (
        SELECT queue FROM tq_task_live WHERE state = 'gated' ORDER BY name LIMIT %(limit)s
    ) AS counted GROUP BY queue
) AS gated ON gated.queue = q.name
ORDER BY q.name
"""


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
    with connections[conf.settings().DATABASE].cursor() as cursor:
        cursor.execute(SQL, parameters)
        return [QueueNow(*row) for row in cursor.fetchall()]


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
