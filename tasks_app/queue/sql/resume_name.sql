-- Lets tasks of this name start again; no row if it was not paused. Caller: queue.resume_name.
DELETE FROM tq_paused_name WHERE name = %(name)s RETURNING name
