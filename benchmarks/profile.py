"""Where the time of our own Python goes: py-spy beside a drain and beside a producer, as lists of functions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import children, install
from benchmarks.bench import Bench, say
from benchmarks.children import Command
from benchmarks.systems import System

TASKS = 200_000
SINGLE = 20_000
FILL = 1_000
RATE = 1_000
"""Samples a second."""
SHOWN = 25
IMPORT = "_find_and_load"
TIMEOUT = 300.0


def run(bench: Bench) -> None:
    """Write the functions that took most, of a runner and of producers, to profile.txt."""
    try:
        python = install.venv(bench.directory / "peers" / "py-spy", ["py-spy>=0.4,<0.5"])
    except install.NotInstalled as error:
        say(f"There is no profile: py-spy could not be installed: {error}")
        return
    spy = python.with_name("py-spy")
    system = bench.systems[0]
    count = bench.scaled(TASKS)
    manage = [sys.executable, "manage.py", "runworker", "--queues", "default", "--burst"]
    bench.empty(system)
    bench.produce(system, "fill", count, FILL)
    bench.settle(system)
    subjects: dict[str, Command] = {
        f"runner, 1 process of 1 thread, drain of {count:,} no-op tasks": [
            *manage,
            *("--processes", "1", "--threads", "1"),
        ],
        f"producer, {count:,} tasks by enqueue_many, {FILL:,} a call": [
            *(*system.producer, "bulk", str(count), str(FILL))
        ],
        f"producer, {bench.scaled(SINGLE):,} single enqueue() in autocommit": [
            *(*system.producer, "bulk", str(bench.scaled(SINGLE)), "1")
        ],
    }
    parts = []
    for title, command in subjects.items():
        say(f"  {title}")
        stacks = list(_record(bench, system, spy, command))
        parts.append("\n".join([f"## {title}", "", *_text(stacks), ""]))
    target = bench.directory / "profile.txt"
    target.write_text("\n".join(parts))
    say(f"  {target}")


def _record(
    bench: Bench, system: System, spy: Path, command: Command
) -> Iterator[tuple[list[str], int]]:
    """Stacks of threads that held the GIL, outermost first, and how often each was met; imports are left out."""
    raw = bench.directory / "profile.raw"
    raw.unlink(missing_ok=True)
    spying = [
        *(spy, "record", "--subprocesses", "--threads", "--gil", "--format", "raw"),
        *("--function", "--rate", str(RATE), "--output", raw, "--", *command),
    ]
    log = bench.log("profile")
    with children.running([spying], bench.environment(system), log) as processes:
        if not children.wait(processes, TIMEOUT):
            raise children.MeasurementError(f"py-spy did not end, see {log}")
    for line in raw.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        if IMPORT not in frames:
            yield frames.split(";"), int(count)


def _text(stacks: Sequence[tuple[list[str], int]]) -> Iterator[str]:
    total = sum(count for _, count in stacks)
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    for frames, count in stacks:
        own[frames[-1]] += count
        within.update(dict.fromkeys(frames, count))
        threads[next((frame for frame in frames if frame.startswith("thread")), "?")] += count
    yield f"{total:,} samples at {RATE} Hz"
    for heading, counter in (("thread", threads), ("self", own), ("self and called", within)):
        yield f"\n{heading}"
        for name, count in counter.most_common(SHOWN):
            yield f"{count / total:7.1%}  {name}"
