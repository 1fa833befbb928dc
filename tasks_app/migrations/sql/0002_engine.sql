-- What the whole engine needs of the queue's tables beyond 0001: the order of claims apart from the given priority,
-- unique keys, expiry, cancel requests, tags and metadata; and a clock that tests can move.

-- The queue's clock. Inlined by the planner, so it costs nothing; tests replace it to move time.
CREATE FUNCTION tq_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT now()';

DROP VIEW tq_task;

ALTER TABLE tq_task_live
    ADD rank                smallint NOT NULL DEFAULT 0,   -- what it is claimed by: -priority, lowered by ageing
    ADD tags                text[] NOT NULL DEFAULT '{}',
    ADD metadata            jsonb NOT NULL DEFAULT '{}',
    ADD unique_key          text,
    ADD expires_at          timestamptz,                   -- an attempt starts before that, or never
    ADD cancel_requested_at timestamptz,
    ADD snoozes             integer NOT NULL DEFAULT 0,
    ALTER enqueued_at SET DEFAULT tq_now(),
    ALTER run_at SET DEFAULT tq_now(),
    ALTER state SET DEFAULT 'ready',
    ALTER position SET DEFAULT nextval('tq_position');

UPDATE tq_task_live SET rank = -priority;

DROP INDEX tq_live_claim;
CREATE INDEX tq_live_claim ON tq_task_live (queue, rank, position) WHERE state = 'ready';
DROP INDEX tq_live_gated;
CREATE INDEX tq_live_gated ON tq_task_live (reason, name) WHERE state = 'gated';
CREATE INDEX tq_live_expiry ON tq_task_live (expires_at) WHERE expires_at IS NOT NULL AND state <> 'running';

ALTER TABLE tq_task_history
    ADD tags                text[] NOT NULL DEFAULT '{}',
    ADD metadata            jsonb NOT NULL DEFAULT '{}',
    ADD unique_key          text,
    ADD expires_at          timestamptz,
    ADD cancel_requested_at timestamptz,
    ADD snoozes             integer NOT NULL DEFAULT 0;

CREATE VIEW tq_task AS
    SELECT id, name, queue, backend, priority, state, reason, args, kwargs, tags, metadata, unique_key, enqueued_at,
           run_at, expires_at, timeout, fence, attempt, max_attempts, crashes, lease_losses, snoozes, worker_id,
           worker_ids, first_started_at, started_at, deadline_at, cancel_requested_at, NULL::timestamptz AS finished_at,
           errors, NULL::jsonb AS result
    FROM tq_task_live
    UNION ALL
    SELECT id, name, queue, backend, priority, state, reason, args, kwargs, tags, metadata, unique_key, enqueued_at,
           run_at, expires_at, timeout, fence, attempt, max_attempts, crashes, lease_losses, snoozes, NULL::uuid,
           worker_ids, first_started_at, started_at, NULL::timestamptz, cancel_requested_at, finished_at,
           errors, result
    FROM tq_task_history;

-- Who holds which key. A lock table, not a unique index over states: a task that comes back into an indexed state would
-- make one conflicting row abort a whole batch.

CREATE TABLE tq_unique (
    key        text PRIMARY KEY,
    task_id    uuid NOT NULL,
    until      text NOT NULL CHECK (until IN ('started', 'finished', 'period')),
    expires_at timestamptz,
    CONSTRAINT tq_period_expires CHECK ((until = 'period') = (expires_at IS NOT NULL))
);

CREATE INDEX tq_unique_expiry ON tq_unique (expires_at) WHERE expires_at IS NOT NULL;
