"""What one enqueue costs above the INSERT that it must do: all in autocommit, in alternating blocks."""

from __future__ import annotations

import statistics
import sys

from benchmarks import children
from benchmarks.bench import Bench, say
from benchmarks.report import Line, Table

CALLS = 2_000
BLOCK = 100


def run(bench: Bench) -> Table:
    system = bench.systems[0]
    title = f"One enqueue in its own transaction, {bench.scaled(CALLS):,} times a round"
    columns = {
        "p50": "median ms",
        "p99": "p99 ms",
        "psycopg": "our median by psycopg's, in one round",
        "libpq": "our median by libpq's, in one round",
    }
    table = Table("single", title, columns, higher_is_better=False)
    command = [
        sys.executable,
        "-m",
        "benchmarks.apps.floor",
        "single",
        str(bench.scaled(CALLS)),
        str(BLOCK),
    ]
    ours = table.line(system.name, "task.enqueue() in autocommit")
    floors = {
        name: table.line("PostgreSQL", f"the same INSERT by {name}, prepared")
        for name in ("psycopg", "libpq")
    }
    for number in range(1, bench.rounds + 1):
        bench.empty(system)
        bench.settle(system)
        found = children.answer(command, bench.environment(system), bench.log("single"), 120)
        median = _add(ours, found["ours"])
        text = f"  round {number}  {median:.3f} ms"
        for name, line in floors.items():
            floor = _add(line, found[name])
            ours.add(**{name: median / floor})
            text += f", {name} {floor:.3f} ms, ratio {median / floor:.2f}"
        say(text)
    return table


def _add(line: Line, seconds: list[float]) -> float:
    milliseconds = sorted(value * 1000 for value in seconds)
    middle = statistics.median(milliseconds)
    line.add(p50=middle, p99=milliseconds[int(len(milliseconds) * 0.99)])
    return middle
