-- Makes scheduled tasks ready now: those that wait for their next attempt, and those not due yet.
-- Walks the primary key. Locks the rows in id order. Answers (id, state before, queue if it is ready now).
-- Caller: queue.retry.
-- CHECKs are made on the row as it was when the statement began, before what `held` waited for is looked at: so all that
-- they tie to the state is set, though in the states that are legal here it is null already.
WITH held AS MATERIALIZED (
    SELECT id, state FROM tq_task_live
    WHERE id = ANY (%(id)s::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
), moved AS (
    UPDATE tq_task_live
    SET state = 'ready', reason = NULL, worker_id = NULL,
        run_at = tq_now(), position = nextval('tq_position'), errors = errors || %(note)s::jsonb
    WHERE id = ANY (ARRAY (SELECT id FROM held WHERE state = 'scheduled'))
    RETURNING id, queue
)
SELECT held.id, held.state, moved.queue FROM held LEFT JOIN moved USING (id)
