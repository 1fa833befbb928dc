-- Whether nothing is left to claim in these queues: no ready task in an open one, and none that is due.
-- Walks tq_live_claim and tq_live_due. Caller: queue.idle.
SELECT NOT EXISTS (
    SELECT FROM unnest(%(queues)s::text[]) AS q (name)
    WHERE EXISTS (SELECT FROM tq_task_live WHERE queue = q.name AND state = 'ready')
      AND NOT EXISTS (SELECT FROM tq_queue WHERE name = q.name AND paused_at IS NOT NULL)
) AND NOT EXISTS (
    SELECT FROM tq_task_live WHERE state = 'scheduled' AND run_at <= tq_now() AND queue = ANY (%(queues)s::text[])
)
