-- Forgets workers that ended long ago and hold nothing, and statistics older than anybody asks for.
-- Walks tq_worker, which is small, and tq_statistic_grain. Caller: queue.prune.
WITH workers AS (
    DELETE FROM tq_worker w
    WHERE state <> 'alive' AND ended_at < tq_now() - %(worker_days)s * interval '1 day'
      AND NOT EXISTS (SELECT FROM tq_task_live WHERE state = 'running' AND worker_id = w.id)
    RETURNING id
), statistics AS (
    DELETE FROM tq_statistic
    WHERE id = ANY (ARRAY (
        SELECT id FROM tq_statistic
        WHERE seconds = 3600 AND at < tq_now() - %(statistic_days)s * interval '1 day'
        ORDER BY at
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING id
)
SELECT (SELECT count(*) FROM workers), (SELECT count(*) FROM statistics)
