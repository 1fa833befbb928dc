-- Makes known every queue that holds a ready task, for those whose producer died before it could say so.
-- Walks tq_live_claim from one queue name to the next, never row by row. Caller: queue.promote.
WITH RECURSIVE found (name) AS (
    (SELECT queue FROM tq_task_live WHERE state = 'ready' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM tq_task_live WHERE state = 'ready' AND queue > found.name ORDER BY queue LIMIT 1)
    FROM found WHERE found.name IS NOT NULL
)
INSERT INTO tq_queue (name, paused_by, pause_reason)
SELECT name, '', '' FROM found
WHERE name IS NOT NULL AND NOT EXISTS (SELECT FROM tq_queue q WHERE q.name = found.name)
ON CONFLICT DO NOTHING
RETURNING name
