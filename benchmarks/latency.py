"""How long one claim takes while another session holds a transaction open, so that dead rows pile up before it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from itertools import product

import psycopg

from benchmarks import children
from benchmarks.bench import Bench, say
from benchmarks.report import Line, Table

SECONDS = 30.0
BATCH = 10
RATE = 800
"""Tasks a second of the steady loop; the other one goes as fast as it can."""

COLUMNS = {
    "p50": "claim p50 ms",
    "p99": "claim p99 ms",
    "ratio": "p50, ratio to nothing pinned in one round",
    "sweep": "sweep p99 ms",
    "rate": "tasks/s",
    "dead": "dead rows of the live table",
}
WAYS = {"marks": [], "no marks (control)": ["--no-marks"]}


def run(bench: Bench) -> Table:
    seconds = SECONDS / 10 if bench.quick else SECONDS
    title = (
        f"A claim of {BATCH} by one process that also enqueues and finishes them, for {seconds:.0f} s;"
        " the last quarter of the claims"
    )
    table = Table("latency", title, COLUMNS, higher_is_better=False)
    for number in range(1, bench.rounds + 1):
        plain: dict[str, float] = {}
        for (way, options), pace, pinned in product(WAYS.items(), (RATE, 0), (False, True)):
            if way != "marks" and not pinned:
                continue
            speed = f"{pace} tasks/s" if pace else "full speed"
            how = f"{speed}, {way}, {'a transaction pinned' if pinned else 'nothing pinned'}"
            line = table.line(bench.systems[0].name, how)
            p50 = _once(bench, line, seconds, pace, options, pinned=pinned)
            if not pinned:
                plain[speed] = p50
            line.add(ratio=p50 / plain[speed])
            say(f"  round {number}  claim p50 {p50:8.2f} ms  {how}")
    return table


def _once(
    bench: Bench, line: Line, seconds: float, pace: int, options: list[str], *, pinned: bool
) -> float:
    """The median; and all figures to the line."""
    system = bench.systems[0]
    bench.empty(system)
    bench.settle(system)
    command = [sys.executable, "-m", "benchmarks.apps.claim_loop", str(seconds), str(pace)]
    with bench.connect(system) if pinned else nullcontext() as pin:
        if isinstance(pin, psycopg.Connection):
            pin.execute("BEGIN")
            pin.execute("SELECT pg_current_xact_id()")
        found = children.answer(
            [*command, str(BATCH), *options],
            bench.environment(system),
            bench.log("latency"),
            seconds + 60,
        )
        with bench.connect(system) as connection:
            dead = connection.execute(
                "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'tq_task_live'"
            ).fetchone()
    claims = found["claims"]
    claims = sorted(claims[len(claims) * 3 // 4 :])
    sweeps = sorted(found["sweeps"])
    line.add(
        p50=claims[len(claims) // 2],
        p99=claims[int(len(claims) * 0.99)],
        sweep=sweeps[int(len(sweeps) * 0.99)],
        rate=found["done"] / found["seconds"],
        dead=dead[0] if dead else 0,
    )
    return float(claims[len(claims) // 2])
