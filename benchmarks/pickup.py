"""How long a task waits for an idle worker."""

from __future__ import annotations

from benchmarks import children
from benchmarks.bench import Bench, say
from benchmarks.report import Line, Table
from benchmarks.systems import System

TASKS = 300
TIMEOUT = 180.0

COLUMNS = {
    "p50": "p50 ms from the return of enqueue()",
    "p95": "p95 ms",
    "p99": "p99 ms",
    "call_p50": "p50 ms from the call",
    "call_p99": "p99 ms from the call",
}


def run(bench: Bench) -> Table:
    title = f"Pickup by an idle worker, {bench.scaled(TASKS):,} tasks a round, one every 20-80 ms"
    table = Table("pickup", title, COLUMNS, higher_is_better=False)
    for number, system in bench.turns():
        if system.polls:
            continue
        bench.empty(system)
        bench.settle(system)
        times = _once(bench, system)
        line = table.line(system.name, system.idle_label)
        _add(line, times)
        say(f"  round {number}  {system.name:16} p50 {line.figures['p50'][-1]:.2f} ms")
    return table


def _once(bench: Bench, system: System) -> list[tuple[int, int, int]]:
    ledger = bench.directory / "ledger"
    ledger.unlink(missing_ok=True)
    log = bench.log(f"{system.name}-idle")
    with children.running([system.idle], bench.environment(system), log) as worker:
        answer = bench.produce(system, "pickup", ledger, bench.scaled(TASKS), timeout=TIMEOUT)
        children.stop(worker)
    times: list[tuple[int, int, int]] = [tuple(entry) for entry in answer["times"]]
    return times


def _add(line: Line, times: list[tuple[int, int, int]]) -> None:
    returned = sorted((started - after) / 1e6 for _, after, started in times)
    called = sorted((started - before) / 1e6 for before, _, started in times)
    line.add(
        p50=_at(returned, 0.50),
        p95=_at(returned, 0.95),
        p99=_at(returned, 0.99),
        call_p50=_at(called, 0.50),
        call_p99=_at(called, 0.99),
    )
    if returned[0] < 0:
        line.note("a task may start before enqueue() has returned: such latencies are below zero")


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
