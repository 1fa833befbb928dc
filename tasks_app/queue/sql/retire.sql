-- A worker ends: in order (stopped), or its parent saw it die (dead, crashed). A dead id never lives again.
-- Locks the worker's row FOR UPDATE: a claim under way ends first. Callers: queue.retire, queue.bury.
UPDATE tq_worker
SET state = %(state)s, death = %(death)s, started = %(started)s::uuid[], ended_at = tq_now()
WHERE id = (SELECT id FROM tq_worker WHERE id = %(id)s AND state = 'alive' FOR UPDATE)
RETURNING id
