"""How fast tasks are enqueued by the thousand, beside a bare COPY of the same rows."""

from __future__ import annotations

import sys

from benchmarks import children
from benchmarks.bench import Bench, say
from benchmarks.report import Table
from benchmarks.systems import System

TASKS = 20_000
SIZE = 1_000


def run(bench: Bench) -> Table:
    title = f"Bulk enqueue of {bench.scaled(TASKS):,} tasks, {SIZE:,} in a transaction, one process"
    table = Table("bulk", title, {"rate": "tasks/s"}, higher_is_better=True)
    for number, system in bench.turns():
        bench.empty(system)
        bench.settle(system)
        count = bench.scaled(TASKS, system)
        size = min(SIZE, count)
        seconds = bench.produce(system, "bulk", count, size)["seconds"]
        rate = size * len(seconds) / sum(seconds)
        table.line(system.name, system.bulk_label).add(rate=rate)
        say(f"  round {number}  {system.name:16} {rate:9,.0f} tasks/s")
        if system.name == "taskqueue":
            rate = _copy(bench, system)
            table.line("PostgreSQL", "bare COPY of the same rows as text, 1,000 a time").add(
                rate=rate
            )
            say(f"  round {number}  {'bare COPY':16} {rate:9,.0f} rows/s")
    return table


def _copy(bench: Bench, system: System) -> float:
    bench.empty(system)
    bench.settle(system)
    command = [
        sys.executable,
        "-m",
        "benchmarks.apps.floor",
        "copy",
        str(bench.scaled(TASKS)),
        str(SIZE),
    ]
    found = children.answer(command, bench.environment(system), bench.log("copy"), 120)
    rate: float = SIZE * len(found["seconds"]) / sum(found["seconds"])
    return rate
