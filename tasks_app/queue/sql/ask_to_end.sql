-- Asks running tasks to end: whatever their attempt comes to, unless it succeeds, they will be cancelled. Asking again
-- changes nothing. Walks the primary key. Locks the rows in id order. Caller: queue.cancel.
WITH held AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[]) AND state = 'running'
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE tq_task_live
SET cancel_requested_at = coalesce(cancel_requested_at, tq_now()),
    errors = CASE WHEN cancel_requested_at IS NULL THEN errors || %(note)s::jsonb ELSE errors END
WHERE id = ANY (ARRAY (SELECT id FROM held))
RETURNING id
