-- Gives ended tasks that did not succeed all their attempts again, under the id they have: out of history, into the live
-- table. The fence is kept, so no claim of before can ever be finished; a unique key is not taken again.
-- Walks the primary key of each day. Two at once: the second waits for the first, and then finds no row.
-- Answers (id, state before, queue). Caller: queue.redrive.
WITH dead AS (
    DELETE FROM tq_task_history
    WHERE id = ANY (%(id)s::uuid[]) AND state IN ('failed', 'cancelled')
    RETURNING *
), revived AS (
    INSERT INTO tq_task_live
        (id, name, queue, backend, priority, rank, state, position, args, kwargs, tags, metadata, enqueued_at, run_at,
         timeout, fence, max_attempts, worker_ids, first_started_at, errors)
    SELECT id, name, queue, backend, priority, -priority, 'ready', nextval('tq_position'), args, kwargs, tags, metadata,
           enqueued_at, tq_now(), timeout, fence, max_attempts, worker_ids, first_started_at, errors || %(note)s::jsonb
    FROM dead
    ORDER BY id
    RETURNING id, queue
), counted AS (
    INSERT INTO tq_statistic (at, queue, name, outcome, wait_bucket, run_bucket, count)
    SELECT date_trunc('second', tq_now()), queue, name, 'redriven-' || state, 0, 0, count(*)
    FROM dead GROUP BY queue, name, state
)
SELECT dead.id, dead.state, revived.queue FROM dead JOIN revived USING (id)
