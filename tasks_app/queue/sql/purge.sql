-- Removes tasks without a trace but their number: those that wait, and those that have ended. A running one stays.
-- Walks the primary keys. Locks live rows in id order. Answers (id, state before, whether it is gone).
-- Caller: queue.purge.
WITH held AS MATERIALIZED (
    SELECT id, state FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[])
    ORDER BY id
    FOR UPDATE
), waiting AS (
    DELETE FROM tq_task_live
    WHERE id = ANY (ARRAY (SELECT id FROM held WHERE state <> 'running'))
    RETURNING id, queue, name, unique_key
), ended AS (
    DELETE FROM tq_task_history
    WHERE id = ANY (%(id)s::uuid[])
    RETURNING id, queue, name, state
), freed AS (
    DELETE FROM tq_unique
    WHERE key = ANY (ARRAY (SELECT unique_key FROM waiting WHERE unique_key IS NOT NULL))
      AND until <> 'period' AND task_id IN (SELECT id FROM waiting)
), counted AS (
    INSERT INTO tq_statistic (at, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_trunc('second', tq_now()), queue, name, outcome, 0, 0, count(*)
    FROM (
        SELECT queue, name, 'purged' AS outcome FROM waiting
        UNION ALL
        SELECT queue, name, 'purged-' || state FROM ended
    ) AS gone
    GROUP BY queue, name, outcome
)
SELECT id, state, state <> 'running' FROM held
UNION ALL
SELECT id, state, true FROM ended
