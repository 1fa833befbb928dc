-- Tasks that are live and have ended too, and tasks that have ended twice: kind, how many, one of them.
-- Looks at the `limit` oldest live tasks and the `limit` newest ended ones.
-- Walks the primary keys, that of each day: LATERAL … LIMIT, or the planner would read all of history for a few ids.
-- One snapshot: a task that ends meanwhile is in one of both. Locks nothing. Caller: doctor.
WITH live AS MATERIALIZED (
    SELECT id FROM tq_task_live ORDER BY id LIMIT %(limit)s
), ended AS MATERIALIZED (
    SELECT id, finished_at FROM tq_task_history ORDER BY id DESC LIMIT %(limit)s
)
SELECT 'live', count(*), min(id::text) FROM (
    SELECT id FROM live
    CROSS JOIN LATERAL (SELECT 1 FROM tq_task_history h WHERE h.id = live.id LIMIT 1) AS other
    UNION
    SELECT id FROM ended
    CROSS JOIN LATERAL (SELECT 1 FROM tq_task_live l WHERE l.id = ended.id LIMIT 1) AS other
) AS revenant
UNION ALL
SELECT 'twice', count(DISTINCT id), min(id::text) FROM ended
CROSS JOIN LATERAL (
    SELECT 1 FROM tq_task_history h WHERE h.id = ended.id AND h.finished_at <> ended.finished_at LIMIT 1
) AS other
