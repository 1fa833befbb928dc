-- Workers that are said to be alive: name, host, process, the queues they were told to serve, slots, seconds since their
-- lease expired (negative: it holds), tasks they run.
-- Walks tq_worker_alive, `limit` workers at most, and tq_live_running. Locks nothing. Caller: doctor.
SELECT w.name, w.hostname, w.pid, w.queues, w.slots, extract(epoch FROM tq_now() - w.lease_expires_at)::float8,
       (SELECT count(*) FROM tq_task_live l WHERE l.state = 'running' AND l.worker_id = w.id)
FROM (SELECT * FROM tq_worker WHERE state = 'alive' ORDER BY id LIMIT %(limit)s) AS w
ORDER BY w.name, w.id
