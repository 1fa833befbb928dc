-- Who keeps dead rows from being removed, the oldest first: sessions of this database, replication slots and prepared
-- transactions, with the seconds and the transactions for which they do. A vacuum does not, though it has a snapshot.
-- Answers at least one row: how many sessions hide what they do from this role, beside it a holder if there is any.
-- Locks nothing. Caller: doctor.
SELECT hidden.n, holder.*
FROM (
    SELECT count(*) AS n FROM pg_stat_activity
    WHERE query = '<insufficient privilege>' AND datname = current_database()
) AS hidden
LEFT JOIN (
    SELECT 'session' AS kind, pid::text AS name, coalesce(application_name, ''), coalesce(usename::text, ''),
           coalesce(state, backend_type, ''), extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
           left(regexp_replace(query, '\s+', ' ', 'g'), 80), greatest(age(backend_xmin), age(backend_xid)) AS transactions
    FROM pg_stat_activity s
    WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = s.pid)
    UNION ALL
    SELECT 'slot', slot_name::text, coalesce(plugin::text, ''), '', CASE WHEN active THEN 'active' ELSE 'inactive' END,
           NULL, '', greatest(age(xmin), age(catalog_xmin))
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared', gid, '', owner::text, 'prepared', extract(epoch FROM clock_timestamp() - prepared)::float8, '',
           age(transaction)
    FROM pg_prepared_xacts
    WHERE database = current_database()
) AS holder ON true
ORDER BY holder.seconds DESC NULLS LAST, holder.transactions DESC
LIMIT %(limit)s
