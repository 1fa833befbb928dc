-- Gives live tasks another priority; a running one is claimed by it if it comes back.
-- Walks the primary key. Locks the rows in id order. Answers (id, state before, queue). Caller: queue.reprioritise.
WITH held AS MATERIALIZED (
    SELECT id, state FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
), changed AS (
    UPDATE tq_task_live
    SET priority = %(priority)s, rank = -%(priority)s::smallint
    WHERE id = ANY (ARRAY (SELECT id FROM held))
    RETURNING id, queue
)
SELECT held.id, held.state, changed.queue FROM held LEFT JOIN changed USING (id)
