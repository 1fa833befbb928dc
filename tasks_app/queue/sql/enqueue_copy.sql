-- Puts many plain tasks in, ready at once, for half of what INSERT takes; the other columns have their defaults.
-- Walks no index. Locks nothing. Caller: queue.enqueue, in the caller's own transaction.
COPY tq_task_live (id, name, queue, backend, priority, rank, args, kwargs, timeout, max_attempts) FROM STDIN
