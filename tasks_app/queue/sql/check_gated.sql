-- What is gated, by reason and name: how many of the first `limit` (null: all), who paused the name and why, for how
-- many seconds, and whether nothing has been in its way for `late` seconds: then it should be ready.
-- Walks tq_live_gated, and the newest entries of the audit. Locks nothing. Caller: doctor.
WITH waiting AS MATERIALIZED (
    SELECT reason, name, count(*) AS n
    FROM (SELECT reason, name FROM tq_task_live WHERE state = 'gated' ORDER BY name LIMIT %(limit)s) AS task
    GROUP BY reason, name
), resumed AS MATERIALIZED (
    SELECT subject
    FROM (SELECT at, action, subject FROM tq_audit ORDER BY id DESC LIMIT 1000) AS act
    WHERE action = 'resume' AND at > tq_now() - %(late)s * interval '1 second'
)
SELECT w.reason, w.name, w.n, p.paused_by, p.pause_reason, extract(epoch FROM tq_now() - p.paused_at)::float8,
       CASE w.reason
           WHEN 'name-paused' THEN p.name IS NULL AND 'name ' || w.name NOT IN (SELECT subject FROM resumed)
           WHEN 'unknown-name' THEN EXISTS (
               SELECT FROM tq_worker
               WHERE state = 'alive' AND w.name = ANY (capabilities)
                 AND started_at < tq_now() - %(late)s * interval '1 second')
           ELSE false
       END
FROM waiting w LEFT JOIN tq_paused_name p ON p.name = w.name
ORDER BY w.n DESC, w.name
LIMIT 20
