-- Puts one task in: as enqueue.sql does, without the cost of arrays, which is a third of a short transaction's.
-- Walks no index. Locks nothing. Caller: queue.enqueue, in the caller's own transaction.
INSERT INTO tq_task_live
    (id, name, queue, backend, priority, state, position, args, kwargs, run_at, timeout, max_attempts)
VALUES (
    %(id)s, %(name)s, %(queue)s, %(backend)s, %(priority)s::smallint,
    CASE WHEN %(run_at)s::timestamptz > now() THEN 'scheduled' ELSE 'ready' END,
    CASE WHEN %(run_at)s::timestamptz > now() THEN NULL ELSE nextval('tq_position') END,
    %(args)s::jsonb, %(kwargs)s::jsonb, coalesce(%(run_at)s::timestamptz, now()), %(timeout)s::float8,
    %(max_attempts)s::int
)
