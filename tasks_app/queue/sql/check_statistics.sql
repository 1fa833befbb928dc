-- Where statistics and a recount of history differ: queue, name, state, counted, kept; twenty of them.
-- Only while no day was dropped: with statistics of `days` days or older nothing is compared. Answers at least one row:
-- the age of the oldest in days, and beside it a difference, if there is any. Reads both tables whole, in one snapshot.
-- Locks nothing. Caller: doctor.
WITH oldest AS MATERIALIZED (
    SELECT extract(epoch FROM tq_now() - min(at))::float8 / 86400 AS days FROM tq_statistic
), counted AS (
    SELECT queue, name, regexp_replace(outcome, '^(redriven|purged)-', '') AS state,
           sum(CASE WHEN outcome ~ '^(redriven|purged)-' THEN -count ELSE count END) AS n
    FROM tq_statistic
    WHERE outcome ~ '^((redriven|purged)-)?(succeeded|failed|cancelled)$'
    GROUP BY 1, 2, 3
), kept AS (
    SELECT queue, name, state, count(*) AS n FROM tq_task_history GROUP BY queue, name, state
), difference AS (
    SELECT queue, name, state, coalesce(counted.n, 0)::bigint AS counted, coalesce(kept.n, 0) AS kept
    FROM counted FULL JOIN kept USING (queue, name, state)
    WHERE coalesce(counted.n, 0) <> coalesce(kept.n, 0)
)
SELECT coalesce(oldest.days, 0), difference.*
FROM oldest LEFT JOIN difference ON coalesce(oldest.days, 0) < %(days)s
ORDER BY abs(difference.counted - difference.kept) DESC
LIMIT 20
