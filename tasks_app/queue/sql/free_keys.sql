-- Removes keys whose period is over: of these, or with no list of all, some at a time.
-- Walks the primary key or tq_unique_expiry. Callers: queue.enqueue, queue.prune.
DELETE FROM tq_unique
WHERE key = ANY (ARRAY (
    SELECT key FROM tq_unique
    WHERE expires_at <= tq_now() AND (%(key)s::text[] IS NULL OR key = ANY (%(key)s::text[]))
    ORDER BY key
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING key
