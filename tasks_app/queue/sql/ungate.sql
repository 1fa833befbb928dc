-- Makes ready again what waited for a worker that knows its name; answers their queues.
-- Walks tq_live_gated. Locks the rows in id order. Caller: queue.ungate.
WITH runnable AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE state = 'gated' AND reason = 'unknown-name' AND name = ANY (%(names)s::text[])
    ORDER BY id
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tq_task_live
SET state = 'ready', reason = NULL, position = nextval('tq_position')
WHERE id = ANY (ARRAY (SELECT id FROM runnable))
RETURNING queue
