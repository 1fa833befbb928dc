-- Says something on a channel. Locks nothing of ours. Caller: queue.call.
SELECT pg_notify(%(channel)s, '')
