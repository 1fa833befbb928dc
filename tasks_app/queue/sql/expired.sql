-- Tasks that wait although they had to start earlier. Walks tq_live_expiry. Locks them, skipping those that others hold.
-- Caller: queue.expire, in the transaction that ends them.
SELECT id FROM tq_task_live
WHERE expires_at <= tq_now() AND state <> 'running'
ORDER BY expires_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
