-- The live table: bytes, those of its indexes, live and dead rows, seconds since a vacuum, whether autovacuum may; and
-- history: rows, seconds since it was analyzed as a whole. Null: never. Reads PostgreSQL's statistics. Locks nothing.
-- Caller: doctor.
SELECT pg_table_size(c.oid), pg_indexes_size(c.oid), s.n_live_tup, s.n_dead_tup,
       extract(epoch FROM now() - greatest(s.last_vacuum, s.last_autovacuum))::float8,
       coalesce((SELECT option_value::bool FROM pg_options_to_table(c.reloptions)
                 WHERE option_name = 'autovacuum_enabled'), true),
       (SELECT coalesce(sum(day.n_live_tup), 0)::bigint FROM pg_inherits i
        JOIN pg_stat_user_tables day ON day.relid = i.inhrelid
        WHERE i.inhparent = 'tq_task_history'::regclass),
       (SELECT extract(epoch FROM now() - last_analyze)::float8 FROM pg_stat_user_tables
        WHERE relid = 'tq_task_history'::regclass)
FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.oid = 'tq_task_live'::regclass
