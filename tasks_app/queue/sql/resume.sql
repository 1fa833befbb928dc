-- Opens a queue to claims again; no row if there is none of that name.
-- Locks the queue's row. Caller: queue.resume.
UPDATE tq_queue SET paused_at = NULL, paused_by = '', pause_reason = ''
WHERE name = %(name)s
RETURNING name
