-- Puts tasks in: ready when due, scheduled otherwise. The clock is the database's.
-- Walks no index. Locks nothing. Caller: queue.enqueue, in the caller's own transaction.
INSERT INTO tq_task_live
    (id, name, queue, backend, priority, state, position, args, kwargs, run_at, timeout, max_attempts)
SELECT t.id, t.name, t.queue, t.backend, t.priority,
       CASE WHEN t.run_at > now() THEN 'scheduled' ELSE 'ready' END,
       CASE WHEN t.run_at > now() THEN NULL ELSE nextval('tq_position') END,
       t.args::jsonb, t.kwargs::jsonb, coalesce(t.run_at, now()), t.timeout, t.max_attempts
FROM unnest(
    %(id)s::uuid[], %(name)s::text[], %(queue)s::text[], %(backend)s::text[], %(priority)s::smallint[],
    %(args)s::text[], %(kwargs)s::text[], %(run_at)s::timestamptz[], %(timeout)s::float8[], %(max_attempts)s::int[]
) AS t (id, name, queue, backend, priority, args, kwargs, run_at, timeout, max_attempts)
