-- Makes due tasks ready, the longest due first; answers their queues.
-- Walks tq_live_due. Locks the rows it moves, skipping those that others hold. Caller: queue.promote.
WITH due AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE state = 'scheduled' AND run_at <= tq_now()
    ORDER BY run_at
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tq_task_live
SET state = 'ready', position = nextval('tq_position')
WHERE id = ANY (ARRAY (SELECT id FROM due))
RETURNING queue
