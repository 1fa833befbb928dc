-- Ageing: a waiting task gains a step of priority per `period` seconds since it was due. When those steps have brought
-- it up to the highest rank that waits in its queue, it is given that rank, with its old place: so each task is moved
-- once at most, and none while nothing of a higher priority is before it.
-- Looks at the first `limit` tasks of each rank, which are those that were ready first.
-- Walks tq_live_claim from rank to rank. Locks the rows it moves, skipping those that others hold. Caller: queue.age.
WITH RECURSIVE top AS MATERIALIZED (
    SELECT q.name AS queue, first.rank
    FROM tq_queue q
    CROSS JOIN LATERAL (
        SELECT rank FROM tq_task_live
        WHERE state = 'ready' AND queue = q.name
        ORDER BY rank, position LIMIT 1
    ) AS first
), lower AS (
    SELECT queue, rank AS top, rank FROM top
    UNION ALL
    SELECT lower.queue, lower.top, next.rank
    FROM lower
    CROSS JOIN LATERAL (
        SELECT rank FROM tq_task_live
        WHERE state = 'ready' AND queue = lower.queue AND rank > lower.rank
        ORDER BY rank, position LIMIT 1
    ) AS next
), old AS MATERIALIZED (
    SELECT head.id, lower.top
    FROM lower
    CROSS JOIN LATERAL (
        SELECT id, run_at FROM tq_task_live
        WHERE state = 'ready' AND queue = lower.queue AND rank = lower.rank
        ORDER BY rank, position
        LIMIT %(limit)s
    ) AS head
    WHERE lower.rank > lower.top
      AND head.run_at <= tq_now() - (lower.rank - lower.top) * %(period)s * interval '1 second'
), held AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE id = ANY (ARRAY (SELECT id FROM old)) AND state = 'ready'
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tq_task_live l
SET rank = old.top
FROM old
WHERE l.id = ANY (ARRAY (SELECT id FROM held)) AND l.id = old.id
RETURNING l.queue
