-- Puts one plain task in, ready at once: as enqueue.sql does, without what a short transaction would pay for arrays and
-- for columns that have their defaults. Parameters have numbers: no time is spent on finding names.
-- Walks no index. Locks nothing. Caller: queue.enqueue, in the caller's own transaction.
INSERT INTO tq_task_live (id, name, queue, backend, priority, rank, args, kwargs, timeout, max_attempts)
VALUES ($1, $2, $3, $4, $5::smallint, -$5::smallint, $6::jsonb, $7::jsonb, $8::float8, $9::int)
