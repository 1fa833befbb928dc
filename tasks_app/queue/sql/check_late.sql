-- What upkeep should have done `late` seconds ago or earlier: due tasks that are not ready, and waiting ones that have
-- expired. Answers what, how many (up to `limit`), and by how many seconds the latest is late.
-- Walks tq_live_due and tq_live_expiry. Locks nothing. Caller: doctor.
SELECT 'due', count(*), extract(epoch FROM tq_now() - min(at))::float8 FROM (
    SELECT run_at AS at FROM tq_task_live
    WHERE state = 'scheduled' AND run_at <= tq_now() - %(late)s * interval '1 second'
    ORDER BY run_at LIMIT %(limit)s
) AS due
UNION ALL
SELECT 'expired', count(*), extract(epoch FROM tq_now() - min(at))::float8 FROM (
    SELECT expires_at AS at FROM tq_task_live
    WHERE expires_at <= tq_now() - %(late)s * interval '1 second' AND state <> 'running'
    ORDER BY expires_at LIMIT %(limit)s
) AS expired
