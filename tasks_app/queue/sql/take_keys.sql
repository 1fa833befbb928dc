-- Takes unique keys for tasks that are about to be put in. A key that another transaction has taken and not committed is
-- waited for, in key order, so that two callers never wait for each other. Not DO UPDATE: that would lock the row of a
-- key that is taken, and hold up the finish that wants to free it until the caller's transaction ends.
-- Walks the primary key. Answers the keys that are ours now. Caller: queue.enqueue.
INSERT INTO tq_unique (key, task_id, until, expires_at)
SELECT key, task_id, until, tq_now() + period * interval '1 second'
FROM unnest(%(key)s::text[], %(task_id)s::uuid[], %(until)s::text[], %(period)s::float8[])
     WITH ORDINALITY AS t (key, task_id, until, period, place)
ORDER BY key, place
ON CONFLICT (key) DO NOTHING
RETURNING key, task_id::text
