"""How fast two worker processes empty a full queue, counted by the outcomes in the database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from benchmarks import children, cpu
from benchmarks.bench import Bench, say
from benchmarks.cluster import Cluster
from benchmarks.report import Line, Table
from benchmarks.systems import Drain, System

TASKS = 20_000
FILL = 1_000
BACKLOG = 1_000_000
TIMEOUT = 180.0

COLUMNS = {
    "rate": "tasks/s, first claim to last outcome",
    "wall": "tasks/s, with start and end of the processes",
    "workers_cpu": "CPU µs/task, workers",
    "postgres_cpu": "CPU µs/task, PostgreSQL",
    "wal": "WAL bytes/task",
    "commits": "transactions/task",
    "dead": "dead rows after",
}


@dataclass(frozen=True)
class Usage:
    at: datetime
    wal: int
    commits: int
    workers: float
    postgres: float
    """Seconds of processor time."""

    @classmethod
    def of(cls, connection: psycopg.Connection[Any], cluster: Cluster) -> Usage:
        row = connection.execute(
            """
            SELECT now(), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, xact_commit
            FROM pg_stat_database WHERE datname = current_database()
            """
        ).fetchone()
        assert row is not None
        return cls(*row, cpu.of_ended_children(), cpu.of_tree(cluster.pid))


def run(bench: Bench) -> Table:
    title = f"Drain of {bench.scaled(TASKS):,} no-op tasks by two worker processes"
    table = Table("drain", title, COLUMNS, higher_is_better=True)
    for number, system in bench.turns():
        for drain in system.drains:
            bench.empty(system)
            line = table.line(system.name, drain.label)
            _once(bench, system, drain, line, number)
    return table


def run_deep(bench: Bench) -> Table:
    """The same with a million tasks waiting where no worker looks; ours also with a million in its history."""
    title = f"Drain beside {bench.scaled(BACKLOG):,} waiting tasks of another queue"
    table = Table("deep", title, COLUMNS, higher_is_better=True)
    for system in bench.systems:
        bench.empty(system)
        say(f"  {system.name}: making {bench.scaled(BACKLOG, system):,} waiting tasks")
        with bench.connect(system) as connection:
            connection.execute(system.backlog, {"count": bench.scaled(BACKLOG, system)})
            if system.name == "taskqueue":
                connection.execute(HISTORY, {"count": bench.scaled(BACKLOG)})
    for number, system in bench.turns():
        for drain in system.drains:
            line = table.line(system.name, drain.label)
            if system.slow:
                line.note(f"only {bench.scaled(BACKLOG, system):,} waiting tasks")
            _once(bench, system, drain, line, number)
    for system in bench.systems:
        bench.empty(system)
    return table


HISTORY = """
    INSERT INTO tq_task_history
        (id, name, queue, backend, priority, state, args, kwargs, enqueued_at, run_at, fence, attempt, max_attempts,
         crashes, lease_losses, worker_ids, first_started_at, started_at, finished_at, errors)
    SELECT uuidv7(), 'benchmarks.sample.tasks.old', 'backlog', 'default', 0, 'succeeded', '[]', '{}', now(), now(), 1, 1,
           3, 0, 0, ARRAY[uuidv7()], now(), now(), now(), '[]'
    FROM generate_series(1, %(count)s)
"""


def _once(bench: Bench, system: System, drain: Drain, line: Line, number: int) -> None:
    count = bench.scaled(TASKS, system)
    bench.produce(system, "fill", count, min(FILL, count))
    bench.settle(system)
    with bench.connect(system) as connection:
        start = Usage.of(connection, bench.cluster)
        seconds = _drain(bench, system, drain, line)
        end = Usage.of(connection, bench.cluster)
        done, window = _outcomes(connection, system, start.at)
        dead = connection.execute(
            "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables"
        ).fetchone()
    if done != count:
        line.note(f"{done:,} of {count:,} outcomes after {seconds:.0f} s in round {number}")
    if not done or not window or dead is None:
        return
    line.add(
        rate=done / window,
        wall=done / seconds,
        workers_cpu=(end.workers - start.workers) / done * 1e6,
        postgres_cpu=(end.postgres - start.postgres) / done * 1e6,
        wal=(end.wal - start.wal) / done,
        commits=(end.commits - start.commits) / done,
        dead=dead[0],
    )
    say(f"  round {number}  {system.name:16} {done / window:9,.0f} tasks/s  {drain.label}")


def _drain(bench: Bench, system: System, drain: Drain, line: Line) -> float:
    """Seconds from the start of the first process to the end of the last."""
    log = bench.log(f"{system.name}-drain")
    began = time.perf_counter()
    with children.running(drain.commands, bench.environment(system), log) as processes:
        try:
            if not children.wait(processes, TIMEOUT):
                line.note(f"stopped after {TIMEOUT:.0f} s")
        except children.MeasurementError as error:
            line.note(f"{error}, see {log}")
        return time.perf_counter() - began


def _outcomes(
    connection: psycopg.Connection[Any], system: System, since: datetime
) -> tuple[int, float]:
    row = connection.execute(system.outcomes, {"since": since}).fetchone()
    assert row is not None
    return int(row[0]), float(row[1] or 0)
