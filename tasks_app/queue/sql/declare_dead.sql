-- Declares workers dead whose lease has expired, or whose advisory lock is free although they have not beaten for
-- `silence` seconds. Locks vanish when the server starts again, so only a beat later than that start is evidence:
-- the checkpointer starts anew after a crash of the server too, pg_postmaster_start_time() does not move then.
-- A role without pg_read_all_stats cannot see the checkpointer: the silent worker is dead all the same, for its tasks
-- must not wait, but nobody is blamed (death `silent`), since the server may have just recovered.
-- Walks tq_worker_alive. Locks workers in id order FOR UPDATE: a claim under way ends first, and is then found.
-- The lock is tried in a statement over a materialised list: a WHERE may be evaluated in any order.
-- Caller: queue.rescue.
WITH server AS MATERIALIZED (
    SELECT greatest(pg_postmaster_start_time(), checkpointer.started_at) AS started_at,
           checkpointer.started_at IS NOT NULL AS is_seen
    FROM (SELECT max(backend_start) AS started_at FROM pg_stat_activity WHERE backend_type = 'checkpointer') AS checkpointer
), silent AS MATERIALIZED (
    SELECT w.id, w.serial, w.lease_expires_at < tq_now() AS expired,
           w.direct AND w.beat_at > server.started_at AS lock_tells, server.is_seen
    FROM tq_worker w, server
    WHERE w.state = 'alive'
      AND (w.lease_expires_at < tq_now()
           OR (w.direct AND w.beat_at < tq_now() - %(silence)s * interval '1 second' AND w.beat_at > server.started_at))
    ORDER BY w.id
    FOR UPDATE OF w SKIP LOCKED
), judged AS MATERIALIZED (
    SELECT id, expired, is_seen, pg_try_advisory_xact_lock(%(lock_class)s, serial::int) AND lock_tells AS lock_is_free
    FROM silent
)
UPDATE tq_worker w
SET state = 'dead', ended_at = tq_now(),
    -- Nobody saw which of its claims were in a slot: all may have been if they are no more than the slots, and a worker
    -- that had claimed ahead of them blames none.
    started = (SELECT CASE WHEN count(*) <= w.slots THEN coalesce(array_agg(l.id), '{}') ELSE '{}' END
               FROM tq_task_live l WHERE l.state = 'running' AND l.worker_id = w.id),
    death = CASE WHEN NOT j.lock_is_free THEN 'lease-expired' WHEN j.is_seen THEN 'crashed' ELSE 'silent' END
FROM judged j
WHERE w.id = j.id AND (j.expired OR j.lock_is_free)
RETURNING w.id, w.name, w.death
