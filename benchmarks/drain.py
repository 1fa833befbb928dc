"""How fast two worker processes empty a full queue, counted by the outcomes in the database."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from benchmarks import children, proc
from benchmarks.apps import tally
from benchmarks.bench import Bench, say
from benchmarks.report import Line, Table
from benchmarks.systems import Drain, System

TASKS = 20_000
FILL = 1_000
TIMEOUT = 180.0
LOOK = 0.1
"""Seconds between two looks at the outcomes of workers that do not end by themselves."""

COLUMNS = {
    "rate": "tasks/s, first claim to last outcome",
    "wall": "tasks/s, with start and end of the processes",
    "workers_cpu": "CPU µs/task, workers",
    "server_cpu": "CPU µs/task, PostgreSQL or Valkey",
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
    server: float
    """Seconds of processor time."""

    @classmethod
    def of(cls, bench: Bench, system: System, connection: psycopg.Connection[Any]) -> Usage:
        row = connection.execute(
            """
            SELECT now(), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, xact_commit
            FROM pg_stat_database WHERE datname = current_database()
            """
        ).fetchone()
        assert row is not None
        at, wal, commits = row
        server = proc.cpu_of_tree(bench.server_pid(system))
        return cls(at, wal, commits, proc.cpu_of_ended_children(), server)


def run(bench: Bench) -> Table:
    title = f"Drain of {bench.scaled(TASKS):,} no-op tasks by two worker processes"
    table = Table("drain", title, COLUMNS, higher_is_better=True)
    for number, system in bench.turns():
        for drain in system.drains:
            bench.empty(system)
            line = table.line(system.name, drain.label)
            if figures := measure(bench, system, drain, line):
                line.add(**figures)
                say(
                    f"  round {number}  {system.name:16} {figures['rate']:9,.0f} tasks/s  {drain.label}"
                )
    return table


def measure(
    bench: Bench,
    system: System,
    drain: Drain,
    line: Line,
    *,
    seconds: float | None = None,
    look: bool = False,
) -> dict[str, float]:
    """Fill and drain it; what is not as expected becomes a note of the line. {} if nothing came of it.

    With `seconds`, what has been there before is drained as long as that, instead. With `look`, workers are stopped
    when all outcomes are there: for loads beside which some of them would not end by themselves.
    """
    count = bench.scaled(TASKS, system)
    if seconds is None:
        bench.produce(system, "fill", count, min(FILL, count))
    bench.settle(system)
    with bench.connect(system) as connection:
        start = Usage.of(bench, system, connection)

        def outcomes() -> tuple[int, float]:
            return _outcomes(bench, system, connection, start.at)

        ended = outcomes if look or not system.outcomes else None
        took = _drain(bench, system, drain, line, seconds, count, ended)
        end = Usage.of(bench, system, connection)
        done, window = outcomes()
        dead = connection.execute(
            "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables"
        ).fetchone()
    if seconds is None and done != count:
        line.note(f"{done:,} of {count:,} outcomes after {took:.0f} s in one round")
    if not done or not window or dead is None:
        return {}
    figures = {
        "rate": done / window,
        "wall": done / took,
        "workers_cpu": (end.workers - start.workers) / done * 1e6,
        "server_cpu": (end.server - start.server) / done * 1e6,
    }
    if not system.is_on_valkey:
        figures |= {
            "wal": (end.wal - start.wal) / done,
            "commits": (end.commits - start.commits) / done,
            "dead": dead[0],
        }
    return figures


def _drain(
    bench: Bench,
    system: System,
    drain: Drain,
    line: Line,
    seconds: float | None,
    count: int,
    outcomes: Callable[[], tuple[int, float]] | None,
) -> float:
    """Seconds from the start of the first process to the end of the last."""
    shutil.rmtree(bench.tally, ignore_errors=True)
    log = bench.log(f"{system.name}-drain")
    began = time.perf_counter()
    with children.running(drain.commands, bench.environment(system), log) as processes:
        try:
            if seconds is not None:
                children.wait(processes, seconds)
                children.stop(processes)
            elif outcomes is not None:
                _stop_when_done(processes, lambda: outcomes()[0] >= count)
            elif not children.wait(processes, TIMEOUT):
                line.note(f"stopped after {TIMEOUT:.0f} s")
        except children.MeasurementError as error:
            line.note(f"{error}, see {log}")
        return time.perf_counter() - began


def _stop_when_done(
    processes: Sequence[subprocess.Popen[bytes]], is_done: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not is_done() and time.monotonic() < deadline:
        if children.wait(processes, LOOK):
            return
    children.stop(processes)


def _outcomes(
    bench: Bench, system: System, connection: psycopg.Connection[Any], since: datetime
) -> tuple[int, float]:
    if not system.outcomes:
        return tally.read(bench.tally)
    row = connection.execute(system.outcomes, {"since": since}).fetchone()
    assert row is not None
    return int(row[0]), float(row[1] or 0)
