-- Gives back what runs under a worker without its knowing: the answer to its claim was lost after the commit.
-- Such a task was not started. Its fence grows all the same: nobody shall ever finish that claim.
-- Walks tq_live_running. Locks the rows in id order. Answers their queues. Caller: queue.disown.
WITH unknown AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE state = 'running' AND worker_id = %(worker)s AND id <> ALL (%(in_hand)s::uuid[])
      AND started_at <= now() - %(older_than)s * interval '1 second'
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE tq_task_live
SET state = 'ready', fence = fence + 1, attempt = attempt - 1, worker_ids = trim_array(worker_ids, 1),
    worker_id = NULL, started_at = NULL, deadline_at = NULL
WHERE id = ANY (ARRAY (SELECT id FROM unknown))
RETURNING queue
