-- Writes what became of attempts: ended tasks move to history, the others wait for another attempt or go back.
-- Accepted only while the task still runs under the fence it was claimed with. A task that was asked to end and did not
-- succeed is cancelled, whatever else its outcome says.
-- Walks the primary key. `= ANY (ARRAY (…))` forces that, and tells the planner to expect several rows: joined to
-- `accepted` itself, of which it expects one, it would loop over all rows for each row.
-- Locks the rows in id order; those that others hold are skipped, and answered `busy`: repeat them.
-- A batch may hold two outcomes of one task, of an older and a newer claim: everything is joined by id and fence.
-- Answers per row: accepted, busy, or stale (rescued meanwhile: a newer attempt owns the task).
-- Callers: queue.finish, for releases and crashes too.
WITH outcome AS MATERIALIZED (
    SELECT o.*,
           tq_now() - coalesce(o.age, 0) * interval '1 second' AS began_at,
           CASE WHEN o.error_text IS NULL THEN '[]'::jsonb
                ELSE jsonb_build_array(o.error_text::jsonb || jsonb_build_object(
                    'started_at', tq_now() - coalesce(o.age, 0) * interval '1 second', 'ended_at', tq_now()))
           END AS new_errors
    FROM unnest(
        %(id)s::uuid[], %(fence)s::bigint[], %(state)s::text[], %(reason)s::text[], %(delay)s::float8[],
        %(attempt_back)s::bool[], %(crashed)s::bool[], %(snoozed)s::bool[], %(age)s::float8[], %(ran)s::float8[],
        %(result)s::text[], %(error)s::text[]
    ) AS o (id, fence, to_state, to_reason, delay, attempt_back, crashed, snoozed, age, ran, result_text, error_text)
), held AS MATERIALIZED (
    SELECT id, fence, state, run_at AS due_at, cancel_requested_at FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[])
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), accepted AS MATERIALIZED (
    SELECT o.id, o.fence,
           o.to_state IN ('succeeded', 'failed', 'cancelled') OR h.cancel_requested_at IS NOT NULL AS ends
    FROM outcome o JOIN held h USING (id, fence) WHERE h.state = 'running'
), ended AS (
    DELETE FROM tq_task_live
    WHERE id = ANY (ARRAY (SELECT id FROM accepted WHERE ends))
    RETURNING *
), written AS (
    INSERT INTO tq_task_history
        (id, name, queue, backend, priority, state, reason, args, kwargs, tags, metadata, unique_key, enqueued_at, run_at,
         expires_at, timeout, fence, attempt, max_attempts, crashes, lease_losses, snoozes, worker_ids,
         first_started_at, started_at, cancel_requested_at, finished_at, errors, result)
    SELECT e.id, e.name, e.queue, e.backend, e.priority,
           CASE WHEN e.cancel_requested_at IS NULL OR o.to_state = 'succeeded' THEN o.to_state ELSE 'cancelled' END,
           CASE WHEN e.cancel_requested_at IS NULL THEN o.to_reason END,
           e.args, e.kwargs, e.tags, e.metadata, e.unique_key, e.enqueued_at, e.run_at,
           e.expires_at, e.timeout, e.fence, e.attempt, e.max_attempts, e.crashes + o.crashed::int, e.lease_losses,
           e.snoozes, e.worker_ids,
           e.first_started_at, o.began_at, e.cancel_requested_at, tq_now(), e.errors || o.new_errors, o.result_text::jsonb
    FROM ended e JOIN outcome o USING (id, fence)
), freed AS (
    DELETE FROM tq_unique
    WHERE key = ANY (ARRAY (SELECT unique_key FROM ended WHERE unique_key IS NOT NULL))
      AND until <> 'period' AND task_id IN (SELECT id FROM ended)
), back AS (
    UPDATE tq_task_live l
    SET state = o.to_state,
        reason = o.to_reason,
        run_at = CASE WHEN o.to_state = 'scheduled' THEN tq_now() + o.delay * interval '1 second' ELSE l.run_at END,
        attempt = l.attempt - o.attempt_back::int,
        worker_ids = CASE WHEN o.attempt_back AND NOT o.crashed THEN trim_array(l.worker_ids, 1) ELSE l.worker_ids END,
        crashes = l.crashes + o.crashed::int,
        snoozes = l.snoozes + o.snoozed::int,
        worker_id = NULL, deadline_at = NULL,
        started_at = CASE WHEN o.ran IS NULL THEN NULL ELSE o.began_at END,
        errors = l.errors || o.new_errors
    FROM outcome o
    WHERE l.id = ANY (ARRAY (SELECT id FROM accepted WHERE NOT ends))
      AND l.id = o.id AND l.fence = o.fence
    RETURNING l.id, l.fence, l.queue, l.name
), attempts AS (
    SELECT e.queue, e.name,
           CASE WHEN e.cancel_requested_at IS NULL OR o.to_state = 'succeeded' THEN o.to_state ELSE 'cancelled' END
               AS outcome,
           o.began_at - e.run_at AS wait, o.ran
    FROM ended e JOIN outcome o USING (id, fence)
    UNION ALL
    -- run_at of a retried task is already that of its next attempt.
    SELECT b.queue, b.name,
           CASE WHEN o.crashed THEN 'crashed' WHEN o.snoozed THEN 'snoozed' ELSE 'retried' END,
           o.began_at - h.due_at, o.ran
    FROM back b JOIN outcome o USING (id, fence) JOIN held h USING (id, fence)
    WHERE o.ran IS NOT NULL
), counted AS (
    INSERT INTO tq_statistic (at, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_trunc('second', tq_now()), queue, name, outcome, wait_bucket, run_bucket, count(*)
    FROM (
        SELECT queue, name, outcome,
               ceil(ln(greatest(extract(epoch FROM wait)::float8 * 1000, 1)) / ln(1.2::float8)) AS wait_bucket,
               ceil(ln(greatest(ran * 1000, 1)) / ln(1.2::float8)) AS run_bucket
        FROM attempts
    ) AS measured
    GROUP BY queue, name, outcome, wait_bucket, run_bucket
)
SELECT o.id, o.fence,
       CASE
           WHEN (o.id, o.fence) IN (SELECT id, fence FROM accepted) THEN 'accepted'
           -- Not "state = 'running'": that would invite the index on running tasks, which is the longer way.
           WHEN (o.id, o.fence) IN (SELECT l.id, l.fence FROM tq_task_live l JOIN outcome USING (id, fence)
                         WHERE l.id = ANY (%(id)s::uuid[]) AND l.worker_id IS NOT NULL)
               THEN 'busy'
           ELSE 'stale'
       END
FROM outcome o
