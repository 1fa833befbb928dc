-- Gives back what runs under a worker without its knowing: the answer to its claim was lost after the commit.
-- Such a task was not started. Its fence grows all the same: nobody shall ever finish that claim. One that was asked to
-- end expires at once, and is then cancelled by expire.
-- Walks tq_live_running. Locks the rows in id order. Answers their queues. Caller: queue.disown.
WITH unknown AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE state = 'running' AND worker_id = %(worker)s AND id <> ALL (%(in_hand)s::uuid[])
      AND started_at <= tq_now() - %(older_than)s * interval '1 second'
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE tq_task_live
SET state = 'ready', fence = fence + 1, attempt = attempt - 1, worker_ids = trim_array(worker_ids, 1),
    worker_id = NULL, started_at = NULL, deadline_at = NULL,
    expires_at = CASE WHEN cancel_requested_at IS NULL THEN expires_at ELSE tq_now() END
WHERE id = ANY (ARRAY (SELECT id FROM unknown))
RETURNING queue
