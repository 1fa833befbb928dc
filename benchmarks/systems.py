"""A system that is compared: how it is started, and what its database says became of its tasks. And ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import install
from benchmarks.children import Command


@dataclass(frozen=True)
class Drain:
    """A way to run two worker processes until the queue is empty."""

    label: str
    commands: Sequence[Command]


@dataclass(frozen=True)
class System:
    name: str
    producer: Command
    """Its producer without arguments."""
    versions: Mapping[str, str]
    tables: str
    """All that is emptied between two rounds. "": it is on Valkey."""
    outcomes: str
    """SQL: successful outcomes since %(since)s, and the seconds from the first claim to the last of them.

    "": it keeps no times. Then its tasks note theirs in a tally, and its workers are stopped when all have.
    """
    drains: Sequence[Drain]
    """The first one is measured beside full tables, too."""
    idle: Command
    """One worker process that waits for tasks."""
    idle_label: str
    loads: Mapping[str, str]
    """What can lie beside the tasks (see beside.py) → SQL that puts %(count)s of it there."""
    environment: Mapping[str, str] = field(default_factory=dict)
    bulk_label: str = ""
    slow: bool = False
    """Whether it gets a tenth of the tasks, so that a run ends; rates need no correction."""
    polls: bool = False
    """Whether an idle worker only looks now and then: its pickup is that interval."""
    suffix: str = ""

    @property
    def database(self) -> str:
        return "bench_" + self.name.replace("-", "_") + self.suffix

    @property
    def is_on_valkey(self) -> bool:
        return not self.tables


TASK_COLUMNS = "id, name, queue, backend, priority, rank, args, kwargs, max_attempts"
TASK = "uuidv7(), 'benchmarks.sample.tasks.noop', {queue}, 'default', 0, 0, '[]', '{{}}', 3"
READY = (
    f"INSERT INTO tq_task_live ({TASK_COLUMNS}) SELECT {TASK} FROM generate_series(1, %(count)s)"
)

HISTORY = """
    -- Twelve days before today, each in its own partition.
    DO $$
    DECLARE
        start date;
    BEGIN
        FOR n IN 1..12 LOOP
            start := (now() AT TIME ZONE 'UTC')::date - n;
            EXECUTE format('CREATE TABLE %%I PARTITION OF tq_task_history FOR VALUES FROM (%%L) TO (%%L)',
                           'tq_task_history_' || to_char(start, 'YYYYMMDD'),
                           start || ' 00:00:00+00', start + 1 || ' 00:00:00+00');
        END LOOP;
    END $$;
    INSERT INTO tq_task_history
        (id, name, queue, backend, priority, state, args, kwargs, enqueued_at, run_at, fence, attempt, max_attempts,
         crashes, lease_losses, worker_ids, first_started_at, started_at, finished_at, errors)
    SELECT uuidv7(at - now()), 'benchmarks.sample.tasks.noop', 'default', 'default', 0, 'succeeded', '[]', '{}',
           at, at, 1, 1, 3, 0, 0, ARRAY[uuidv7()], at, at, at, '[]'
    FROM (
        SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') - interval '12 days' * n / %(count)s) AT TIME ZONE 'UTC' AS at
        FROM generate_series(1, %(count)s) AS n
    ) AS ended
"""


def taskqueue() -> System:
    python = Path(sys.executable)
    manage: Command = [python, "manage.py", "runworker"]
    only = ["--queues", "default"]
    return System(
        name="taskqueue",
        producer=[python, "-m", "benchmarks.apps.taskqueue"],
        versions=install.python_versions(python, ("Django", "psycopg")),
        tables="tq_task_live, tq_task_history, tq_statistic, tq_worker, tq_unique, tq_paused_name, tq_audit",
        outcomes="""
            SELECT count(*), extract(epoch FROM max(finished_at) - min(first_started_at))
            FROM tq_task_history WHERE state = 'succeeded' AND finished_at >= %(since)s
        """,
        drains=[
            Drain(
                f"--processes 2 --threads {threads} (window 200, batch ≤ 200)",
                [[*manage, *only, "--processes", "2", "--threads", str(threads), "--burst"]],
            )
            for threads in (1, 4)
        ],
        idle=[*manage, "--processes", "1", "--threads", "4"],
        idle_label="1 process, 4 threads, LISTEN/NOTIFY",
        loads={
            "history": HISTORY,
            "deep": READY.format(queue="'backlog'"),
            "deep-same": READY.format(queue="'default'"),
            "scheduled": f"""
                INSERT INTO tq_task_live ({TASK_COLUMNS}, state, position, run_at)
                SELECT {TASK.format(queue="'default'")}, 'scheduled', NULL, now() + interval '1 day' + n * interval '1 s'
                FROM generate_series(1, %(count)s) AS n
            """,
        },
        environment={
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "SECRET_KEY": "of the benchmarks",
        },
        bulk_label="enqueue_many, 1,000 a call",
    )
