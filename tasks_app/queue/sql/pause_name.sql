-- Lets no task of this name start. Those that are ready are put aside by the claims that meet them.
-- Locks the name's row. Caller: queue.pause_name.
INSERT INTO tq_paused_name (name, paused_at, paused_by, pause_reason)
VALUES (%(name)s, tq_now(), %(by)s, %(reason)s)
ON CONFLICT (name) DO UPDATE SET paused_by = excluded.paused_by, pause_reason = excluded.pause_reason
RETURNING paused_at
