-- Takes running tasks back from workers that are no longer alive, and those `grace` seconds past their deadline.
-- The fence grows: whoever still runs one cannot finish it. The attempt is given back. A proven death counts as a
-- crash, and more than `max_crashes` of them fail the task as poison. One that was asked to end is cancelled.
-- Walks tq_live_running. Locks the rows in id order, skipping those that others hold (their finish came first).
-- Answers (id, queue, how it ended if it did). Caller: queue.rescue.
WITH dead AS MATERIALIZED (
    SELECT id, death = 'crashed' AS crashed, started FROM tq_worker
    WHERE state <> 'alive' AND id IN (SELECT worker_id FROM tq_task_live WHERE state = 'running')
), found AS MATERIALIZED (
    -- Without order and limit: those would invite a walk over the primary key of all that waits.
    SELECT id FROM tq_task_live
    WHERE state = 'running'
      AND (worker_id IN (SELECT id FROM dead) OR deadline_at < tq_now() - %(grace)s * interval '1 second')
), lost AS MATERIALIZED (
    -- Everything that is judged by comes from the locked row, not from what the statement saw before.
    SELECT l.id, l.queue, l.attempt, l.fence, l.worker_id, l.started_at, l.crashes, l.cancel_requested_at,
           -- Only a task that was in a slot can have killed its worker.
           coalesce((SELECT d.crashed AND l.id = ANY (d.started) FROM dead d WHERE d.id = l.worker_id), false) AS crashed
    FROM tq_task_live l
    WHERE l.id = ANY (ARRAY (SELECT id FROM found ORDER BY id LIMIT %(limit)s)) AND l.state = 'running'
      -- Among the dead, not "among no live ones": a row that a newer worker claimed meanwhile is tested again here.
      AND (l.worker_id IN (SELECT id FROM dead) OR l.deadline_at < tq_now() - %(grace)s * interval '1 second')
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
), judged AS MATERIALIZED (
    SELECT id, queue, crashed,
           CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                WHEN crashed AND crashes >= %(max_crashes)s THEN 'failed' END AS ending,
           jsonb_build_array(jsonb_build_object(
               'attempt', attempt, 'fence', fence, 'worker', worker_id,
               'started_at', started_at, 'ended_at', tq_now(),
               'exception_class', 'tasks_app.exceptions.WorkerLost',
               'message', CASE WHEN crashed THEN 'The worker process died while it ran this task.'
                               ELSE 'The worker was lost while it ran this task.' END,
               'traceback', '')) AS new_errors
    FROM lost
), ended AS (
    DELETE FROM tq_task_live l USING judged j
    WHERE l.id = ANY (ARRAY (SELECT id FROM judged)) AND l.id = j.id AND j.ending IS NOT NULL
    RETURNING l.*, j.ending, j.crashed, j.new_errors
), written AS (
    INSERT INTO tq_task_history
        (id, name, queue, backend, priority, state, reason, args, kwargs, tags, metadata, unique_key, enqueued_at, run_at,
         expires_at, timeout, fence, attempt, max_attempts, crashes, lease_losses, snoozes, worker_ids,
         first_started_at, started_at, cancel_requested_at, finished_at, errors, result)
    SELECT id, name, queue, backend, priority, ending, CASE WHEN ending = 'failed' THEN 'poison' END,
           args, kwargs, tags, metadata, unique_key, enqueued_at, run_at,
           expires_at, timeout, fence + 1, attempt, max_attempts, crashes + crashed::int,
           lease_losses + (NOT crashed)::int, snoozes, worker_ids,
           first_started_at, started_at, cancel_requested_at, tq_now(), errors || new_errors, NULL
    FROM ended
), freed AS (
    DELETE FROM tq_unique
    WHERE key = ANY (ARRAY (SELECT unique_key FROM ended WHERE unique_key IS NOT NULL))
      AND until <> 'period' AND task_id IN (SELECT id FROM ended)
), back AS (
    UPDATE tq_task_live l
    SET state = 'ready', fence = l.fence + 1, attempt = l.attempt - 1,
        crashes = l.crashes + j.crashed::int, lease_losses = l.lease_losses + (NOT j.crashed)::int,
        worker_id = NULL, deadline_at = NULL, errors = l.errors || j.new_errors
    FROM judged j
    WHERE l.id = ANY (ARRAY (SELECT id FROM judged)) AND l.id = j.id AND j.ending IS NULL
    RETURNING l.queue, l.name, CASE WHEN j.crashed THEN 'crashed' ELSE 'lost' END AS outcome, l.started_at
), counted AS (
    INSERT INTO tq_statistic (at, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_trunc('second', tq_now()), queue, name, outcome, 0,
           ceil(ln(greatest(extract(epoch FROM tq_now() - started_at) * 1000, 1)) / ln(1.2)) AS run_bucket, count(*)
    FROM (
        SELECT queue, name, outcome, started_at FROM back
        UNION ALL
        SELECT queue, name, ending, started_at FROM ended
    ) AS attempts
    GROUP BY queue, name, outcome, run_bucket
)
SELECT id, queue, ending FROM judged
