-- Puts the tasks of paused names aside that are among the first `limit` of these queues, when a claim has met some: a
-- backlog of them must not hide what is behind it.
-- Walks tq_live_claim. Locks the rows in id order, skipping those that others hold. Caller: queue.claim.
WITH first AS MATERIALIZED (
    SELECT head.id, head.name
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        SELECT id, name FROM tq_task_live
        WHERE state = 'ready' AND queue = q.name
        ORDER BY rank, position
        LIMIT %(limit)s
    ) AS head
), held AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE id = ANY (ARRAY (SELECT id FROM first WHERE name IN (SELECT name FROM tq_paused_name))) AND state = 'ready'
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tq_task_live SET state = 'gated', reason = 'name-paused', worker_id = NULL
WHERE id = ANY (ARRAY (SELECT id FROM held))
RETURNING id
