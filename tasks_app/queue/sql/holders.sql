-- Who holds these keys. Walks the primary key. Locks nothing. Caller: queue.enqueue.
SELECT key, task_id::text FROM tq_unique WHERE key = ANY (%(key)s::text[])
