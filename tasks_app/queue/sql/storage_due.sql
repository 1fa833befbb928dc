-- Whether the live table has dead rows enough and nobody has vacuumed it for a while, and whether nobody has analyzed
-- history as a whole for long. Reads PostgreSQL's statistics. Callers: queue.vacuum, queue.analyze.
SELECT
    (SELECT n_dead_tup >= %(dead)s
            AND greatest(last_vacuum, last_autovacuum, '-infinity') < now() - %(rest)s * interval '1 second'
     FROM pg_stat_user_tables WHERE relid = 'tq_task_live'::regclass),
    (SELECT coalesce(last_analyze, '-infinity') < now() - %(analyze_every)s * interval '1 second'
     FROM pg_stat_user_tables WHERE relid = 'tq_task_history'::regclass)
