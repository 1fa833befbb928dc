-- Adds up statistics older than `age` seconds: rows of `fine` seconds become fewer of `coarse` seconds, with the same sums.
-- A chunk may end within a coarse interval: then that has two rows, which readers add.
-- Walks tq_statistic_grain. Locks the rows, skipping those that another fold holds. Answers how many were folded.
-- Caller: queue.fold.
WITH old AS MATERIALIZED (
    SELECT id FROM tq_statistic
    WHERE seconds = %(fine)s AND at < date_bin(%(coarse)s * interval '1 second', tq_now() - %(age)s * interval '1 second', 'epoch')
    ORDER BY at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM tq_statistic
    WHERE id = ANY (ARRAY (SELECT id FROM old))
    RETURNING at, queue, name, outcome, wait_bucket, run_bucket, count
), folded AS (
    INSERT INTO tq_statistic (at, seconds, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_bin(%(coarse)s * interval '1 second', at, 'epoch'), %(coarse)s, queue, name, outcome, wait_bucket,
           run_bucket, sum(count)
    FROM gone
    GROUP BY 1, queue, name, outcome, wait_bucket, run_bucket
)
SELECT count(*) FROM gone
