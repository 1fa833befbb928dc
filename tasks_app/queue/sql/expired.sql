-- Tasks that wait although they had to start earlier. Walks tq_live_expiry. Locks nothing. Caller: queue.expire.
SELECT id FROM tq_task_live
WHERE expires_at <= tq_now() AND state <> 'running'
ORDER BY expires_at
LIMIT %(limit)s
