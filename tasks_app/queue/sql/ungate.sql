-- Makes ready again what waited for a worker that knows its name, or for its name to be resumed; answers their queues.
-- A claim may put a task aside just after its name was resumed: so this is not only done at once, but again and again.
-- Walks tq_live_gated from one reason and name to the next, and into those alone that may go.
-- Locks the rows in id order. Caller: queue.ungate.
WITH RECURSIVE kind (reason, name) AS (
    (SELECT reason, name FROM tq_task_live WHERE state = 'gated' ORDER BY reason, name LIMIT 1)
    UNION ALL
    SELECT next.reason, next.name
    FROM kind
    CROSS JOIN LATERAL (
        SELECT reason, name FROM tq_task_live
        WHERE state = 'gated' AND (reason, name) > (kind.reason, kind.name)
        ORDER BY reason, name LIMIT 1
    ) AS next
), free AS MATERIALIZED (
    SELECT reason, name FROM kind
    WHERE reason = 'unknown-name' AND name = ANY (%(names)s::text[])
       OR reason = 'name-paused' AND name NOT IN (SELECT name FROM tq_paused_name)
), found AS MATERIALIZED (
    SELECT task.id
    FROM free
    CROSS JOIN LATERAL (
        SELECT id FROM tq_task_live
        WHERE state = 'gated' AND reason = free.reason AND name = free.name
        LIMIT %(limit)s
    ) AS task
    LIMIT %(limit)s
), held AS MATERIALIZED (
    SELECT id FROM tq_task_live
    WHERE id = ANY (ARRAY (SELECT id FROM found)) AND state = 'gated'
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tq_task_live
SET state = 'ready', reason = NULL, position = nextval('tq_position'), worker_id = NULL
WHERE id = ANY (ARRAY (SELECT id FROM held))
RETURNING queue
