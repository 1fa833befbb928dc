-- Extends the lease of a live worker, even one that has just run out: while nobody declared it dead, it is not.
-- No row: it was declared dead and must end. Answers the queues there are now.
-- Locks the worker's row. Caller: queue.beat.
UPDATE tq_worker
SET beat_at = tq_now(), lease_expires_at = tq_now() + %(lease)s * interval '1 second'
WHERE id = %(id)s AND state = 'alive'
RETURNING ARRAY (SELECT name FROM tq_queue ORDER BY name)
