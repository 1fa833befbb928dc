"""Hours of steady load: does anything grow? A line a minute, and at the end what grew."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from benchmarks import children, drain, proc
from benchmarks.bench import Bench, say
from benchmarks.report import Table, number
from benchmarks.systems import System

SHARE = 0.4
"""Of the speed at which the same workers drain a full queue, measured first."""
EVERY = 60.0
GROWN = 1.2
"""A figure whose median in the last third is so many times that of the second has grown."""

FIXED = {
    "rate": "tasks/s ended",
    "waiting": "tasks waiting",
    "p50": "p50 ms from enqueue to claim",
    "p99": "p99 ms from enqueue to claim",
    "live": "live rows",
    "dead": "dead rows",
    "table": "tq_task_live, kB",
    "rss": "RSS of supervisor and runners, MB",
}
INDEXES = ("tq_task_live_pkey", "tq_live_claim", "tq_live_running", "tq_live_due")


def run(bench: Bench) -> Table:
    system = bench.systems[0]
    columns = FIXED | {index: f"{index}, kB" for index in INDEXES}
    every = EVERY / 10 if bench.quick else EVERY
    rate = SHARE * _drained_at(bench, system)
    title = (
        f"{bench.minutes:g} minutes at {rate:,.0f} tasks/s ({SHARE:.0%} of a drain's speed), 2 processes of 1 thread;"
        f" median of {every:.0f} s each"
    )
    table = Table("soak", title, columns, higher_is_better=True)
    line = table.line(system.name, system.drains[0].label.replace(" --burst", ""))
    bench.empty(system)
    bench.settle(system)
    worker = [
        [part for part in command if part != "--burst"] for command in system.drains[0].commands
    ]
    producer = [[sys.executable, "-m", "benchmarks.apps.steady", str(rate)]]
    environment = bench.environment(system)
    with (
        children.running(worker, environment, bench.log("soak-worker")) as workers,
        children.running(producer, environment, bench.log("soak-producer")) as producers,
        bench.connect(system) as connection,
    ):
        ends = time.monotonic() + bench.minutes * 60
        looked = _now(connection)
        while time.monotonic() < ends:
            time.sleep(min(every, max(0.1, ends - time.monotonic())))
            if any(process.poll() is not None for process in (*workers, *producers)):
                raise children.MeasurementError(
                    f"a process ended by itself, see {bench.log('soak-*')}"
                )
            figures = _figures(connection, looked) | {
                "rss": proc.memory_of_tree(workers[0].pid) / 1e6
            }
            looked = _now(connection)
            line.add(**figures)
            say("  " + _text(columns, figures))
        children.stop(producers)
        children.stop(workers)
    for column, heading in columns.items():
        if grew := _growth(line.figures.get(column, [])):
            say(f"  {heading}: {grew}")
            line.note(f"{heading}: {grew}")
    return table


def _drained_at(bench: Bench, system: System) -> float:
    table = Table("", "", {}, higher_is_better=True)
    bench.empty(system)
    figures = drain.measure(bench, system, system.drains[0], table.line(system.name, ""))
    if not figures:
        raise children.MeasurementError("nothing was drained")
    return figures["rate"]


def _figures(connection: psycopg.Connection[Any], since: datetime) -> dict[str, float]:
    row = connection.execute(
        """
        SELECT count(*) / greatest(extract(epoch FROM now() - %(since)s), 0.001),
               1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM first_started_at - enqueued_at)),
               1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM first_started_at - enqueued_at)),
               (SELECT count(*) FROM tq_task_live WHERE state = 'ready')
        FROM tq_task_history WHERE finished_at >= %(since)s
        """,
        {"since": since},
    ).fetchone()
    tuples = connection.execute(
        """
        SELECT n_live_tup, n_dead_tup, pg_relation_size(relid) / 1024.0
        FROM pg_stat_user_tables WHERE relname = 'tq_task_live'
        """
    ).fetchone()
    assert row is not None
    assert tuples is not None
    named = dict(zip(("rate", "p50", "p99", "waiting"), row, strict=True))
    named |= dict(zip(("live", "dead", "table"), tuples, strict=True))
    sizes = connection.execute(
        "SELECT name, pg_relation_size(name::regclass) / 1024.0 FROM unnest(%s::text[]) AS name",
        [list(INDEXES)],
    )
    named |= dict(sizes.fetchall())
    return {column: float(value or 0) for column, value in named.items()}


def _now(connection: psycopg.Connection[Any]) -> datetime:
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _text(columns: Mapping[str, str], figures: Mapping[str, float]) -> str:
    at = time.strftime("%H:%M:%S")
    return f"{at}  " + ", ".join(f"{columns[name]} {number(figures[name])}" for name in columns)


def _growth(values: Sequence[float]) -> str:
    """What the last third shows against the second; the first one is the way there."""
    third = len(values) // 3
    if not third:
        return "too few values to tell whether it grew"
    before, after = (
        statistics.median(part) for part in (values[third : 2 * third], values[-third:])
    )
    verb = "grew" if after > before * GROWN else "did not grow"
    return f"{verb}: {number(before)} in the second third, {number(after)} in the last"
