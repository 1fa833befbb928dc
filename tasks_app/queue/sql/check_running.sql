-- Running tasks that should have been taken from their worker `late` seconds ago or earlier, and those whose worker
-- nobody knows: why, how many, one of them. `grace`: seconds past its deadline after which a task is taken.
-- Walks tq_live_running, `limit` rows of it at most (null: all). Locks nothing. Caller: doctor.
SELECT why, count(*), min(id::text)
FROM (
    SELECT id, worker_id, deadline_at FROM tq_task_live
    WHERE state = 'running' AND worker_id IS NOT NULL
    ORDER BY worker_id LIMIT %(limit)s
) AS task
LEFT JOIN (
    SELECT id AS worker_id, state, ended_at, lease_expires_at FROM tq_worker
) AS worker USING (worker_id)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN state IS NULL THEN 'unknown'
        WHEN state <> 'alive' AND coalesce(ended_at, '-infinity') < tq_now() - %(late)s * interval '1 second'
            THEN 'ended'
        WHEN lease_expires_at < tq_now() - %(late)s * interval '1 second' THEN 'expired'
        WHEN deadline_at < tq_now() - (%(grace)s + %(late)s) * interval '1 second' THEN 'deadline'
    END AS why
) AS judged
WHERE why IS NOT NULL
GROUP BY why
ORDER BY why
