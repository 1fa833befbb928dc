-- Makes ready again what waited for a worker that knows its name, or for its name to be resumed; answers their queues.
-- A claim may put a task aside just after its name was resumed: so this is not only done at once, but again and again.
-- Walks tq_live_gated. Locks the rows in id order. Caller: queue.ungate.
WITH runnable AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE state = 'gated'
      AND (reason = 'unknown-name' AND name = ANY (%(names)s::text[])
           OR reason = 'name-paused' AND name NOT IN (SELECT name FROM tq_paused_name))
    ORDER BY id
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tq_task_live
SET state = 'ready', reason = NULL, position = nextval('tq_position')
WHERE id = ANY (ARRAY (SELECT id FROM runnable))
RETURNING queue
