-- Puts another call in the place of one that still waits and holds the same unique key; its id stays.
-- Walks the primary key. Locks the row. Answers the queues that have work now, or no row if it runs or has ended.
-- Caller: queue.enqueue.
UPDATE tq_task_live
SET args = %(args)s::jsonb, kwargs = %(kwargs)s::jsonb, priority = %(priority)s::smallint,
    rank = -%(priority)s::smallint, queue = %(queue)s, run_at = coalesce(%(run_at)s::timestamptz, tq_now()),
    timeout = %(timeout)s::float8, max_attempts = greatest(%(max_attempts)s::int, attempt + 1),
    expires_at = tq_now() + %(expires_in)s::float8 * interval '1 second',
    tags = ARRAY (SELECT jsonb_array_elements_text(%(tags)s::jsonb)), metadata = %(metadata)s::jsonb,
    position = CASE WHEN %(run_at)s::timestamptz > tq_now() THEN NULL ELSE nextval('tq_position') END,
    state = CASE WHEN %(run_at)s::timestamptz > tq_now() THEN 'scheduled' WHEN state = 'gated' THEN 'gated'
                 ELSE 'ready' END,
    -- All that a CHECK ties to the state, see retry.sql.
    reason = CASE WHEN state = 'gated' AND coalesce(%(run_at)s::timestamptz, tq_now()) <= tq_now() THEN reason END,
    worker_id = NULL
WHERE id = %(holder)s::uuid AND state IN ('scheduled', 'gated', 'ready')
RETURNING queue
