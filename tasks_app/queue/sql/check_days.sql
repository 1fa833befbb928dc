-- The days of history: table, day (null: its name is of no day), whether finishes can write to it, whether its detach is
-- pending, whether it is a default partition. Answers at least one row: today (UTC), and beside it a day, if any.
-- Locks nothing. Caller: doctor.
SELECT clock.today, day.*
FROM (SELECT (tq_now() AT TIME ZONE 'UTC')::date AS today) AS clock
LEFT JOIN (
    SELECT c.relname::text AS name,
           CASE WHEN c.relname ~ '^tq_task_history_\d{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day,
           i.inhrelid IS NOT NULL AND NOT i.inhdetachpending, coalesce(i.inhdetachpending, false),
           coalesce(pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', false)
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'tq_task_history'::regclass
    WHERE i.inhrelid IS NOT NULL
       OR (c.relname ~ '^tq_task_history_\d{8}$' AND c.relkind = 'r' AND pg_table_is_visible(c.oid))
) AS day ON true
ORDER BY day.name
LIMIT %(limit)s
