-- What must hold of each live task by itself: rule, tasks that break it, one of them, tasks looked at.
-- Reads the first `limit` rows as they lie in the table (null: all). Locks nothing. Caller: doctor.
SELECT rule, count(*) FILTER (WHERE is_broken), min(id::text) FILTER (WHERE is_broken), count(*)
FROM (
    SELECT id, state, worker_id, attempt, max_attempts, position, reason, rank, priority
    FROM tq_task_live LIMIT %(limit)s
) AS task
CROSS JOIN LATERAL (VALUES
    ('worker', (state = 'running') <> (worker_id IS NOT NULL)),
    ('attempts', attempt NOT BETWEEN 0 AND max_attempts),
    ('position', state = 'ready' AND position IS NULL),
    ('reason', (state = 'gated') <> (reason IS NOT NULL)),
    ('rank', rank > -priority)
) AS checked (rule, is_broken)
GROUP BY rule
ORDER BY rule
