-- Indexes of the queue's tables that are invalid (and not being built), that do what another does, or, of the live
-- table, that are larger than `bytes` and `times` times what their entries of `width` bytes need.
-- Answers index, whether it is valid, the other index, its bytes, its entries. Locks nothing. Caller: doctor.
WITH index AS MATERIALIZED (
    SELECT i.indexrelid, i.indrelid, i.indisvalid AND i.indisready AS is_valid,
           (NOT i.indisprimary, NOT i.indisunique, i.indexrelid) AS place,
           (i.indrelid, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text,
            coalesce(pg_get_expr(i.indexprs, i.indrelid), ''), coalesce(pg_get_expr(i.indpred, i.indrelid), '')) AS shape,
           pg_relation_size(i.indexrelid) AS bytes,
           CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(i.indrelid) ELSE c.reltuples::bigint END AS entries
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relname ~ '^tq_' AND pg_table_is_visible(t.oid)
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
), judged AS (
    SELECT index.*,
           (SELECT other.indexrelid::regclass::text FROM index AS other
            WHERE other.shape = index.shape AND other.place < index.place AND other.is_valid
            ORDER BY other.place LIMIT 1) AS twin
    FROM index
)
SELECT indexrelid::regclass::text, is_valid, twin, bytes, entries
FROM judged
WHERE NOT is_valid OR twin IS NOT NULL
   OR (indrelid = 'tq_task_live'::regclass AND bytes > %(bytes)s AND bytes > %(times)s * %(width)s * entries)
ORDER BY 1
LIMIT 20
