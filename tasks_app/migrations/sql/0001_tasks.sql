-- Live tasks: small whatever the history, so that a claim costs the same after a billion tasks.
-- Rows leave with their outcome: DELETE here and INSERT into tq_task_history are one statement.

CREATE SEQUENCE tq_position;   -- FIFO must not depend on producers' clocks

CREATE TABLE tq_task_live (
    id               uuid PRIMARY KEY,
    name             text NOT NULL,
    queue            text NOT NULL,
    backend          text NOT NULL,
    priority         smallint NOT NULL CHECK (priority BETWEEN -100 AND 100),
    state            text NOT NULL CHECK (state IN ('scheduled', 'blocked', 'gated', 'ready', 'running')),
    reason           text,
    position         bigint,
    args             jsonb NOT NULL,
    kwargs           jsonb NOT NULL,
    enqueued_at      timestamptz NOT NULL DEFAULT now(),
    run_at           timestamptz NOT NULL DEFAULT now(),
    timeout          double precision CHECK (timeout > 0),
    fence            bigint NOT NULL DEFAULT 0,
    attempt          integer NOT NULL DEFAULT 0,
    max_attempts     integer NOT NULL,
    crashes          integer NOT NULL DEFAULT 0,
    lease_losses     integer NOT NULL DEFAULT 0,
    worker_id        uuid,
    worker_ids       uuid[] NOT NULL DEFAULT '{}',
    first_started_at timestamptz,
    started_at       timestamptz,
    deadline_at      timestamptz,
    errors           jsonb NOT NULL DEFAULT '[]',
    CONSTRAINT tq_running_has_worker CHECK ((state = 'running') = (worker_id IS NOT NULL)),
    CONSTRAINT tq_ready_has_position CHECK (state <> 'ready' OR position IS NOT NULL),
    CONSTRAINT tq_gated_has_reason CHECK ((state = 'gated') = (reason IS NOT NULL)),
    CONSTRAINT tq_attempt_in_bounds CHECK (attempt BETWEEN 0 AND max_attempts)
) WITH (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX tq_live_claim ON tq_task_live (queue, priority DESC, position) WHERE state = 'ready';
CREATE INDEX tq_live_due ON tq_task_live (run_at) WHERE state = 'scheduled';
CREATE INDEX tq_live_gated ON tq_task_live (name) WHERE state = 'gated';
CREATE INDEX tq_live_running ON tq_task_live (worker_id) WHERE state = 'running';

-- Ended tasks, one partition a day (UTC) on finished_at; there is no default partition, see queue/partitions.py.

CREATE TABLE tq_task_history (
    id               uuid NOT NULL,
    name             text NOT NULL,
    queue            text NOT NULL,
    backend          text NOT NULL,
    priority         smallint NOT NULL,
    state            text NOT NULL CHECK (state IN ('succeeded', 'failed', 'cancelled')),
    reason           text,
    args             jsonb NOT NULL,
    kwargs           jsonb NOT NULL,
    enqueued_at      timestamptz NOT NULL,
    run_at           timestamptz NOT NULL,
    timeout          double precision,
    fence            bigint NOT NULL,
    attempt          integer NOT NULL,
    max_attempts     integer NOT NULL,
    crashes          integer NOT NULL,
    lease_losses     integer NOT NULL,
    worker_ids       uuid[] NOT NULL,
    first_started_at timestamptz,
    started_at       timestamptz,
    finished_at      timestamptz NOT NULL,
    errors           jsonb NOT NULL,
    result           jsonb,
    CONSTRAINT tq_failed_has_reason CHECK ((state = 'failed') = (reason IS NOT NULL)),
    PRIMARY KEY (id, finished_at)
) PARTITION BY RANGE (finished_at);

CREATE INDEX tq_history_failed ON tq_task_history (id DESC) WHERE state = 'failed';
CREATE INDEX tq_history_cancelled ON tq_task_history (id DESC) WHERE state = 'cancelled';

-- What readers see. The literal states of the two CHECKs let the planner skip a half that cannot match.

CREATE VIEW tq_task AS
    SELECT id, name, queue, backend, priority, state, reason, args, kwargs, enqueued_at, run_at, timeout, fence,
           attempt, max_attempts, crashes, lease_losses, worker_id, worker_ids, first_started_at, started_at,
           deadline_at, NULL::timestamptz AS finished_at, errors, NULL::jsonb AS result
    FROM tq_task_live
    UNION ALL
    SELECT id, name, queue, backend, priority, state, reason, args, kwargs, enqueued_at, run_at, timeout, fence,
           attempt, max_attempts, crashes, lease_losses, NULL::uuid AS worker_id, worker_ids, first_started_at, started_at,
           NULL::timestamptz AS deadline_at, finished_at, errors, result
    FROM tq_task_history;

CREATE SEQUENCE tq_worker_serial AS integer CYCLE;   -- half of an advisory lock's key
