-- Ends tasks that wait, without their being started: as cancelled, or failed for a reason. Those that run, or have ended,
-- are left as they are, and answered with the state they are in. One that was asked to end while it ran is cancelled.
-- `note`: what a person did, for the task's attempts; null if it was no person.
-- Walks the primary key. Locks the rows in id order; waits for those that others hold.
-- Answers (id, state before, whether it ended). Callers: queue.cancel, queue.discard, queue.expire.
WITH held AS MATERIALIZED (
    SELECT id, state FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[])
    ORDER BY id
    FOR UPDATE
), ended AS (
    DELETE FROM tq_task_live
    WHERE id = ANY (ARRAY (SELECT id FROM held WHERE state <> 'running'))
    RETURNING *, CASE WHEN cancel_requested_at IS NULL THEN %(state)s ELSE 'cancelled' END AS ending
), written AS (
    INSERT INTO tq_task_history
        (id, name, queue, backend, priority, state, reason, args, kwargs, tags, metadata, unique_key, enqueued_at, run_at,
         expires_at, timeout, fence, attempt, max_attempts, crashes, lease_losses, snoozes, worker_ids,
         first_started_at, started_at, cancel_requested_at, finished_at, errors, result)
    SELECT id, name, queue, backend, priority, ending, CASE WHEN ending = 'failed' THEN %(reason)s END,
           args, kwargs, tags, metadata, unique_key, enqueued_at, run_at,
           expires_at, timeout, fence, attempt, max_attempts, crashes, lease_losses, snoozes, worker_ids,
           first_started_at, started_at, cancel_requested_at, tq_now(), errors || coalesce(%(note)s::jsonb, '[]'), NULL
    FROM ended
), freed AS (
    DELETE FROM tq_unique
    WHERE key = ANY (ARRAY (SELECT unique_key FROM ended WHERE unique_key IS NOT NULL))
      AND until <> 'period' AND task_id IN (SELECT id FROM ended)
), counted AS (
    INSERT INTO tq_statistic (at, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_trunc('second', tq_now()), queue, name, ending, 0, 0, count(*) FROM ended GROUP BY queue, name, ending
)
SELECT id, state, state <> 'running' FROM held
