-- Puts one plain task in, ready at once: as enqueue.sql does, without what a short transaction would pay for arrays and
-- for columns that have their defaults.
-- Walks no index. Locks nothing. Caller: queue.enqueue, in the caller's own transaction.
INSERT INTO tq_task_live (id, name, queue, backend, priority, rank, args, kwargs, timeout, max_attempts)
VALUES (%(id)s, %(name)s, %(queue)s, %(backend)s, %(priority)s::smallint, -%(priority)s::smallint,
        %(args)s::jsonb, %(kwargs)s::jsonb, %(timeout)s::float8, %(max_attempts)s::int)
