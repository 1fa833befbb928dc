-- Puts tasks in: ready when due, scheduled otherwise. The clock is the database's.
-- Walks no index. Locks nothing. Caller: queue.enqueue, in the caller's own transaction.
INSERT INTO tq_task_live
    (id, name, queue, backend, priority, rank, state, position, args, kwargs, run_at, timeout, max_attempts, expires_at,
     tags, metadata, unique_key)
SELECT t.id, t.name, t.queue, t.backend, t.priority, -t.priority,
       CASE WHEN t.run_at > tq_now() THEN 'scheduled' ELSE 'ready' END,
       CASE WHEN t.run_at > tq_now() THEN NULL ELSE nextval('tq_position') END,
       t.args::jsonb, t.kwargs::jsonb, coalesce(t.run_at, tq_now()), t.timeout, t.max_attempts,
       tq_now() + t.expires_in * interval '1 second',
       ARRAY (SELECT jsonb_array_elements_text(t.tags::jsonb)), t.metadata::jsonb, t.unique_key
FROM unnest(
    %(id)s::uuid[], %(name)s::text[], %(queue)s::text[], %(backend)s::text[], %(priority)s::smallint[],
    %(args)s::text[], %(kwargs)s::text[], %(run_at)s::timestamptz[], %(timeout)s::float8[], %(max_attempts)s::int[],
    %(expires_in)s::float8[], %(tags)s::text[], %(metadata)s::text[], %(unique_key)s::text[]
) AS t (id, name, queue, backend, priority, args, kwargs, run_at, timeout, max_attempts, expires_in, tags, metadata,
        unique_key)
