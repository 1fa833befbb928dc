-- Unique keys that no live task can free any more, and tasks not started yet that do not hold their key: what, how many,
-- the first key or task. `names`: tasks whose keys are held until they start or finish; one with a period may be over.
-- Looks at `limit` keys and, as they lie in the table, `limit` tasks (null: all). One snapshot: a key is taken and freed
-- in the transaction that puts its task in or ends it. Locks nothing. Caller: doctor.
WITH stuck AS (
    SELECT key FROM (SELECT key, task_id FROM tq_unique WHERE until <> 'period' LIMIT %(limit)s) AS held
    WHERE NOT EXISTS (SELECT FROM tq_task_live l WHERE l.id = held.task_id AND l.unique_key = held.key)
), bare AS (
    SELECT id FROM (SELECT id, name, unique_key, fence FROM tq_task_live LIMIT %(limit)s) AS task
    WHERE unique_key IS NOT NULL AND fence = 0 AND name = ANY (%(names)s::text[])
      AND NOT EXISTS (SELECT FROM tq_unique u WHERE u.key = task.unique_key AND u.task_id = task.id)
)
SELECT 'stuck', count(*), min(key) FROM stuck
UNION ALL
SELECT 'bare', count(*), min(id::text) FROM bare
