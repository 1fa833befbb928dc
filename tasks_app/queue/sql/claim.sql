-- Hands up to `limit` ready tasks of open queues to a live worker: queues in the order given, within a queue by rank
-- (priority, raised by ageing), then first in, first out. Tasks whose name is paused are put aside instead (gated).
-- A stretch is a part of a queue's order: from a rank and position to those of the next. The claimer knows where ready
-- tasks begin and leaves out what lies before: dead rows that no vacuum can remove yet would be read by every claim.
-- Walks tq_live_claim, once per stretch; the outer LIMIT stops the nested loop, so no row is locked beyond it.
-- Locks the claimed rows, skipping those that others hold; and the worker's row, so that declare_dead either comes
-- first (nothing is claimed) or finds what was claimed.
-- MATERIALIZED: without that fence the planner may run the LIMIT again for each row it joins.
-- Answers at least one row: how many were put aside, and beside it a claim, if there is any. Caller: queue.claim.
WITH worker AS MATERIALIZED (
    SELECT id FROM tq_worker
    WHERE id = %(worker)s AND state = 'alive' AND lease_expires_at > tq_now()
    FOR KEY SHARE
), picked AS MATERIALIZED (
    SELECT task.id, task.name
    FROM worker
    CROSS JOIN unnest(
        %(queue)s::text[], %(from_rank)s::smallint[], %(from_position)s::bigint[],
        %(to_rank)s::smallint[], %(to_position)s::bigint[]
    ) AS stretch (queue, from_rank, from_position, to_rank, to_position)
    CROSS JOIN LATERAL (
        SELECT id, name FROM tq_task_live
        WHERE state = 'ready' AND queue = stretch.queue
          AND (rank, position) >= (stretch.from_rank, stretch.from_position)
          AND (rank, position) < (stretch.to_rank, stretch.to_position)
          AND (expires_at IS NULL OR expires_at > tq_now())
          AND NOT EXISTS (SELECT FROM tq_queue WHERE name = stretch.queue AND paused_at IS NOT NULL)
        ORDER BY rank, position
        LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS task
    LIMIT %(limit)s
), aside AS (
    UPDATE tq_task_live SET state = 'gated', reason = 'name-paused'
    WHERE id = ANY (ARRAY (SELECT id FROM picked WHERE name IN (SELECT name FROM tq_paused_name)))
    RETURNING id
), claimed AS (
    UPDATE tq_task_live
    SET state = 'running', fence = fence + 1, attempt = attempt + 1,
        worker_id = %(worker)s, worker_ids = worker_ids || %(worker)s::uuid,
        first_started_at = coalesce(first_started_at, tq_now()), started_at = tq_now(),
        deadline_at = tq_now() + timeout * interval '1 second'
    WHERE id = ANY (ARRAY (SELECT id FROM picked WHERE name NOT IN (SELECT name FROM tq_paused_name)))
    RETURNING id, name, queue, priority, backend, args, kwargs, fence, attempt, max_attempts, timeout, crashes,
              extract(epoch FROM enqueued_at)::float8, extract(epoch FROM first_started_at)::float8,
              extract(epoch FROM started_at)::float8,
              CASE WHEN cardinality(worker_ids) > 1 THEN worker_ids END,
              errors, snoozes, rank, position, unique_key
), freed AS (
    -- Keys that are held until the task starts: whoever enqueues from now on makes a new one.
    DELETE FROM tq_unique
    WHERE key = ANY (ARRAY (SELECT unique_key FROM claimed WHERE unique_key IS NOT NULL))
      AND until = 'started' AND task_id IN (SELECT id FROM claimed)
)
SELECT aside.n, claimed.* FROM (SELECT count(*) AS n FROM aside) AS aside LEFT JOIN claimed ON true
