-- How much waits, runs and is scheduled in each queue. Every count stops at `limit`, so the cost does not grow with it.
-- Walks tq_live_claim, tq_live_running, tq_live_due and tq_live_gated: each inner ORDER BY names the index that has to
-- be walked, or the planner takes a sequential scan for a queue of which there are few rows or none. The oldest wait
-- steps from one priority to the next, at most 201 times. Blocked tasks have no index that could count them.
-- Locks nothing. Caller: backlog.read.
SELECT q.name, q.paused_at, q.paused_by, q.pause_reason, ready.n, coalesce(running.n, 0), coalesce(scheduled.n, 0),
       coalesce(gated.n, 0), extract(epoch FROM tq_now() - oldest.run_at)::float8
FROM (
    SELECT * FROM tq_queue WHERE %(names)s::text[] IS NULL OR name = ANY (%(names)s::text[])
    ORDER BY name LIMIT %(max_queues)s
) AS q
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM (
        SELECT FROM tq_task_live WHERE state = 'ready' AND queue = q.name
        ORDER BY rank, position LIMIT %(limit)s
    ) AS counted
) AS ready
LEFT JOIN LATERAL (
    WITH RECURSIVE head AS (
        (SELECT rank, run_at FROM tq_task_live WHERE state = 'ready' AND queue = q.name
         ORDER BY rank, position LIMIT 1)
        UNION ALL
        SELECT next.rank, next.run_at FROM head CROSS JOIN LATERAL (
            SELECT rank, run_at FROM tq_task_live
            WHERE state = 'ready' AND queue = q.name AND rank > head.rank
            ORDER BY rank, position LIMIT 1
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
        SELECT queue FROM tq_task_live WHERE state = 'gated' ORDER BY reason, name LIMIT %(limit)s
    ) AS counted GROUP BY queue
) AS gated ON gated.queue = q.name
ORDER BY q.name
