"""What must hold of the tables whatever has happened: each a query of what breaks it. See docs/protocol.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INVARIANTS = {
    "I1 a task runs if and only if it has a worker": """
        SELECT id, state, worker_id FROM tq_task_live WHERE (state = 'running') <> (worker_id IS NOT NULL)
    """,
    "I4 no task is live and ended, or ended twice": """
        SELECT id FROM (SELECT id FROM tq_task_live UNION ALL SELECT id FROM tq_task_history) AS t
        GROUP BY id HAVING count(*) > 1
    """,
    "I9 a key that is held until its task starts or ends belongs to a task that has not": """
        SELECT u.* FROM tq_unique u LEFT JOIN tq_task_live l ON l.id = u.task_id AND l.unique_key = u.key
        WHERE u.until <> 'period' AND (l.id IS NULL OR u.until = 'started' AND l.state = 'running')
    """,
    "I9 a task that has not started has nobody else hold its key until that ends": """
        SELECT l.id, u.* FROM tq_task_live l JOIN tq_unique u ON u.key = l.unique_key
        WHERE u.until = 'finished' AND u.task_id <> l.id AND l.first_started_at IS NULL
    """,
    "I12 attempts are between none and all": """
        SELECT id, attempt, max_attempts FROM tq_task WHERE attempt NOT BETWEEN 0 AND max_attempts
    """,
    "I13 statistics are the recount of history": """
        WITH counted AS (
            SELECT queue, name, replace(replace(outcome, 'redriven-', ''), 'purged-', '') AS state,
                   sum(CASE WHEN outcome LIKE '%%-%%' THEN -count ELSE count END) AS n
            FROM tq_statistic
            WHERE outcome IN ('succeeded', 'failed', 'cancelled') OR outcome LIKE '%%-%%'
            GROUP BY 1, 2, 3
        ), history AS (
            SELECT queue, name, state, count(*) AS n FROM tq_task_history GROUP BY 1, 2, 3
        )
        SELECT queue, name, state, counted.n AS counted, history.n AS there
        FROM counted FULL JOIN history USING (queue, name, state)
        WHERE coalesce(counted.n, 0) <> coalesce(history.n, 0)
    """,
}


def broken(sql: Callable[[str], list[Any]]) -> dict[str, list[Any]]:
    """Invariant → rows that break it, at most ten of each."""
    found = {
        name: sql(f"SELECT * FROM ({query}) AS b LIMIT 10") for name, query in INVARIANTS.items()
    }
    return {name: rows for name, rows in found.items() if rows}
