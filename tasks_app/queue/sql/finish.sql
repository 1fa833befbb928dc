-- Writes what became of attempts: ended tasks move to history, the others wait for another attempt or go back.
-- Accepted only while the task still runs under the fence it was claimed with.
-- Walks the primary key: `= ANY (array)` in every branch, or the planner may join by a sequential scan.
-- Locks the rows in id order; those that others hold are skipped, and answered `busy`: repeat them.
-- Answers per row: accepted, busy, or stale (rescued meanwhile: a newer attempt owns the task).
-- Callers: queue.finish, and through it queue.release.
WITH outcome AS MATERIALIZED (
    SELECT * FROM unnest(
        %(id)s::uuid[], %(fence)s::bigint[], %(state)s::text[], %(reason)s::text[], %(delay)s::float8[],
        %(attempt_back)s::bool[], %(crashed)s::bool[], %(age)s::float8[], %(ran)s::float8[],
        %(result)s::text[], %(error)s::text[]
    ) AS o (id, fence, to_state, to_reason, delay, attempt_back, crashed, age, ran, result_text, error_text)
), held AS MATERIALIZED (
    SELECT id, fence, run_at AS due_at FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[]) AND state = 'running'
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), accepted AS MATERIALIZED (
    SELECT o.*, held.due_at,
           now() - coalesce(o.age, 0) * interval '1 second' AS began_at,
           CASE WHEN o.error_text IS NULL THEN '[]'::jsonb
                ELSE jsonb_build_array(o.error_text::jsonb || jsonb_build_object(
                    'started_at', now() - coalesce(o.age, 0) * interval '1 second', 'ended_at', now()))
           END AS new_errors
    FROM outcome o JOIN held USING (id, fence)
), ended AS (
    DELETE FROM tq_task_live l USING accepted a
    WHERE l.id = ANY (%(id)s::uuid[]) AND l.id = a.id AND l.fence = a.fence AND l.state = 'running'
      AND a.to_state IN ('succeeded', 'failed', 'cancelled')
    RETURNING l.*, a.due_at, a.to_state, a.to_reason, a.crashed, a.began_at, a.ran, a.result_text, a.new_errors
), written AS (
    INSERT INTO tq_task_history
        (id, name, queue, backend, priority, state, reason, args, kwargs, enqueued_at, run_at, timeout, fence, attempt,
         max_attempts, crashes, lease_losses, worker_ids, first_started_at, started_at, finished_at, errors, result)
    SELECT id, name, queue, backend, priority, to_state, to_reason, args, kwargs, enqueued_at, run_at, timeout, fence,
           attempt, max_attempts, crashes + crashed::int, lease_losses, worker_ids, first_started_at, began_at, now(),
           errors || new_errors, result_text::jsonb
    FROM ended
), back AS (
    UPDATE tq_task_live l
    SET state = a.to_state,
        reason = a.to_reason,
        run_at = CASE WHEN a.to_state = 'scheduled' THEN now() + a.delay * interval '1 second' ELSE l.run_at END,
        attempt = l.attempt - a.attempt_back::int,
        worker_ids = CASE WHEN a.attempt_back AND NOT a.crashed THEN trim_array(l.worker_ids, 1) ELSE l.worker_ids END,
        crashes = l.crashes + a.crashed::int,
        worker_id = NULL, deadline_at = NULL,
        started_at = CASE WHEN a.ran IS NULL THEN NULL ELSE a.began_at END,
        errors = l.errors || a.new_errors
    FROM accepted a
    WHERE l.id = ANY (%(id)s::uuid[]) AND l.id = a.id AND l.fence = a.fence AND l.state = 'running'
      AND a.to_state IN ('scheduled', 'ready', 'gated')
    RETURNING l.queue, l.name, a.due_at, a.crashed, a.began_at, a.ran
), attempts AS (
    SELECT queue, name, to_state AS outcome, began_at - due_at AS wait, ran FROM ended
    UNION ALL
    SELECT queue, name, CASE WHEN crashed THEN 'crashed' ELSE 'retried' END, began_at - due_at, ran
    FROM back WHERE ran IS NOT NULL
), counted AS (
    INSERT INTO tq_statistic (at, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_trunc('second', now()), queue, name, outcome, wait_bucket, run_bucket, count(*)
    FROM (
        SELECT queue, name, outcome,
               ceil(ln(greatest(extract(epoch FROM wait) * 1000, 1)) / ln(1.2)) AS wait_bucket,
               ceil(ln(greatest(ran * 1000, 1)) / ln(1.2)) AS run_bucket
        FROM attempts
    ) AS measured
    GROUP BY queue, name, outcome, wait_bucket, run_bucket
)
SELECT o.id,
       CASE
           WHEN EXISTS (SELECT FROM accepted a WHERE a.id = o.id) THEN 'accepted'
           WHEN EXISTS (SELECT FROM tq_task_live l WHERE l.id = o.id AND l.fence = o.fence AND l.state = 'running')
               THEN 'busy'
           ELSE 'stale'
       END
FROM outcome o
