-- Gives a task that waits other arguments. Walks the primary key. Locks the row.
-- Answers (id, state before, queue if it was legal). Caller: queue.edit_args.
WITH held AS MATERIALIZED (
    SELECT id, state FROM tq_task_live WHERE id = %(id)s FOR NO KEY UPDATE
), changed AS (
    UPDATE tq_task_live
    SET args = %(args)s::jsonb, kwargs = %(kwargs)s::jsonb
    WHERE id = (SELECT id FROM held WHERE state <> 'running')
    RETURNING id, queue
)
SELECT held.id, held.state, changed.queue FROM held LEFT JOIN changed USING (id)
