-- Where ready tasks begin: the lowest position of each rank in use, of each of these queues.
-- Walks tq_live_claim from one rank to the next, dead rows and all: for a loop beside the claims, not for the claims.
-- Locks nothing. Caller: queue.sweep.
WITH RECURSIVE head AS (
    SELECT q.name AS queue, first.rank, first.position
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        SELECT rank, position FROM tq_task_live
        WHERE state = 'ready' AND queue = q.name
        ORDER BY rank, position LIMIT 1
    ) AS first
    UNION ALL
    SELECT head.queue, next.rank, next.position
    FROM head
    CROSS JOIN LATERAL (
        SELECT rank, position FROM tq_task_live
        WHERE state = 'ready' AND queue = head.queue AND rank > head.rank
        ORDER BY rank, position LIMIT 1
    ) AS next
)
SELECT queue, rank, position FROM head
