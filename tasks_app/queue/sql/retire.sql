-- A worker ends: in order (stopped), or its parent saw it die (dead, crashed). A dead id never lives again.
-- Locks the worker's row FOR UPDATE: a claim under way ends first. Callers: queue.retire, queue.bury.
UPDATE tq_worker
SET state = %(state)s, death = %(death)s, ended_at = tq_now(),
    -- Where the parent could not tell which claims were in a slot, see declare_dead.
    started = coalesce(%(started)s::uuid[], (
        SELECT CASE WHEN count(*) <= slots THEN coalesce(array_agg(l.id), '{}') ELSE '{}' END
        FROM tq_task_live l WHERE l.state = 'running' AND l.worker_id = tq_worker.id))
WHERE id = (SELECT id FROM tq_worker WHERE id = %(id)s AND state = 'alive' FOR UPDATE)
RETURNING id
