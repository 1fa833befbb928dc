-- Closes a queue to claims; its tasks stay ready. Pausing a paused queue changes who and why, not since when.
-- Locks the queue's row. Caller: queue.pause.
INSERT INTO tq_queue (name, paused_at, paused_by, pause_reason)
VALUES (%(name)s, tq_now(), %(by)s, %(reason)s)
ON CONFLICT (name) DO UPDATE
SET paused_at = coalesce(tq_queue.paused_at, tq_now()), paused_by = excluded.paused_by, pause_reason = excluded.pause_reason
RETURNING paused_at
