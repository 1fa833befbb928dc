"""What a drain costs beside full tables: history, other waiting tasks, scheduled ones, dead rows that must stay.

Each system has two databases in this: one with that load, one without. Both are drained in every round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import drain
from benchmarks.bench import Bench, say
from benchmarks.report import Line, Table
from benchmarks.systems import System

COLUMNS = {
    "rate": "tasks/s beside it",
    "plain": "tasks/s, tables empty before",
    "ratio": "ratio in one round",
    "workers_cpu": "CPU µs/task, workers",
    "server_cpu": "CPU µs/task, PostgreSQL",
    "plain_server_cpu": "the same, tables empty before",
    "wal": "WAL bytes/task",
    "commits": "transactions/task",
    "dead": "dead rows after",
}
PART = 6.0
"""Seconds of which the rate is taken where there are more tasks than can be drained."""
PINNED = "pinned"


@dataclass(frozen=True)
class Load:
    name: str
    title: str
    count: int = 0
    peers: int = 1
    """Peers get so many times less."""
    same_queue: bool = False
    """Whether it is tasks that the workers claim: then they work for PART seconds."""
    look: bool = False
    """Whether some workers would wait for it."""

    def has(self, system: System) -> bool:
        return system.tables != "" and (self.name == PINNED or self.name in system.loads)

    def of(self, bench: Bench, system: System) -> int:
        return bench.scaled(self.count, system) // (1 if system is bench.systems[0] else self.peers)


LOADS = [
    Load("history", "{count:,} ended tasks of the last twelve days", 10_000_000, peers=10),
    Load("deep", "{count:,} waiting tasks of another queue", 1_000_000),
    Load("deep-same", "{count:,} waiting tasks of the same queue", 1_000_000, same_queue=True),
    Load("scheduled", "{count:,} tasks scheduled for later", 200_000, look=True),
    Load(PINNED, "a transaction that stays open through all rounds, so that no dead row can go"),
]


def benchmarks() -> Iterator[tuple[str, Callable[[Bench], Table]]]:
    for load in LOADS:
        yield load.name, partial(_run, load)


def _run(load: Load, bench: Bench) -> Table:
    what = load.title.format(count=bench.scaled(load.count))
    table = Table(load.name, f"Drain beside {what}", COLUMNS, higher_is_better=True)
    compared = [system for system in bench.systems if load.has(system)]
    with ExitStack() as stack:
        pairs = [(each, stack.enter_context(_loaded(bench, each, load))) for each in compared]
        for number in range(1, bench.rounds + 1):
            for system, loaded in pairs:
                line = table.line(system.name, system.drains[0].label)
                if (count := load.of(bench, system)) != bench.scaled(load.count):
                    line.note(f"only {count:,} of them")
                _once(bench, system, loaded, load, line, number)
    return table


@contextmanager
def _loaded(bench: Bench, system: System, load: Load) -> Iterator[System]:
    """The system with a database of its own that holds the load."""
    loaded = replace(system, suffix="_loaded")
    bench.install(loaded)
    with bench.connect(loaded) as connection:
        try:
            if load.name == PINNED:
                connection.execute("BEGIN")
                connection.execute("SELECT pg_current_xact_id()")
            else:
                say(f"  {system.name}: {load.of(bench, system):,} {load.name}")
                bench.load(loaded, load.name, load.of(bench, system))
            yield loaded
        finally:
            connection.close()
            bench.cluster.drop(loaded.database)


def _once(
    bench: Bench, system: System, loaded: System, load: Load, line: Line, number: int
) -> None:
    bench.empty(system)
    seconds = PART if load.same_queue else None
    how = system.drains[0]
    plain = drain.measure(bench, system, how, line, look=load.look)
    figures = drain.measure(bench, loaded, how, line, seconds=seconds, look=load.look)
    if not plain or not figures:
        return
    ratio = figures["rate"] / plain["rate"]
    figures |= {"plain": plain["rate"], "plain_server_cpu": plain["server_cpu"], "ratio": ratio}
    line.add(**{column: figures[column] for column in COLUMNS})
    say(
        f"  round {number}  {system.name:16} {figures['rate']:9,.0f} tasks/s,"
        f" without {plain['rate']:9,.0f}, ratio {ratio:.2f}"
    )
