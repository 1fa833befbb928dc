-- Gives waiting tasks another time: scheduled if that is to come, ready if it is not. A ready one keeps its place.
-- Walks the primary key. Locks the rows in id order. Answers (id, state before, queue if it was legal).
-- Caller: queue.reschedule.
-- CHECKs are made on the row as it was when the statement began, before what `held` waited for is looked at: so all that
-- they tie to the state is set, though in the states that are legal here it is null already.
WITH held AS MATERIALIZED (
    SELECT id, state FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
), moved AS (
    UPDATE tq_task_live
    SET run_at = %(run_at)s,
        position = CASE WHEN state = 'ready' THEN position ELSE nextval('tq_position') END,
        state = CASE WHEN %(run_at)s > tq_now() THEN 'scheduled' ELSE 'ready' END,
        reason = NULL, worker_id = NULL
    WHERE id = ANY (ARRAY (SELECT id FROM held WHERE state IN ('scheduled', 'ready')))
    RETURNING id, queue
)
SELECT held.id, held.state, moved.queue FROM held LEFT JOIN moved USING (id)
