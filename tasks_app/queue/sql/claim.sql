-- Hands up to `limit` ready tasks of open queues to a live worker: queues in the order given, within a queue by
-- priority, then first in, first out.
-- Walks tq_live_claim, once per queue; the outer LIMIT stops the nested loop, so no row is locked beyond it.
-- Locks the claimed rows, skipping those that others hold; and the worker's row, so that declare_dead either comes
-- first (nothing is claimed) or finds what was claimed.
-- MATERIALIZED: without that fence the planner may run the LIMIT again for each row it joins.
-- Caller: queue.claim.
WITH worker AS MATERIALIZED (
    SELECT id FROM tq_worker
    WHERE id = %(worker)s AND state = 'alive' AND lease_expires_at > now()
    FOR KEY SHARE
), picked AS MATERIALIZED (
    SELECT task.id
    FROM worker
    CROSS JOIN unnest(%(queues)s::text[]) AS open_queue (name)
    CROSS JOIN LATERAL (
        SELECT id FROM tq_task_live
        WHERE state = 'ready' AND queue = open_queue.name
          AND NOT EXISTS (SELECT FROM tq_queue WHERE name = open_queue.name AND paused_at IS NOT NULL)
        ORDER BY priority DESC, position
        LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS task
    LIMIT %(limit)s
)
UPDATE tq_task_live
SET state = 'running', fence = fence + 1, attempt = attempt + 1,
    worker_id = %(worker)s, worker_ids = worker_ids || %(worker)s::uuid,
    first_started_at = coalesce(first_started_at, now()), started_at = now(),
    deadline_at = now() + timeout * interval '1 second'
WHERE id = ANY (ARRAY (SELECT id FROM picked))
RETURNING id, name, queue, priority, backend, args, kwargs, fence, attempt, max_attempts, timeout, crashes,
          extract(epoch FROM enqueued_at)::float8, extract(epoch FROM first_started_at)::float8,
          extract(epoch FROM started_at)::float8, worker_ids, errors, position
