"""The demonstration from start to end: enqueue, wait, report, check."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from examples import checks, plan, sources
from examples.readiness import obstacle
from examples.report import Report, summarise
from examples.run import Run
from examples.sources import Counts
from examples.tasks import write_report

INTERVAL = 0.2
"""Seconds between two looks at the queue."""
SHOWN = 10
"""Complaints that are printed."""
DONE = object()


class Failed(Exception):
    """The demonstration did not show what it was to show; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    report: Report
    tasks: int
    failures: int
    """Tasks that failed, all of them as intended."""
    retried: int
    """Tasks that took more than one attempt."""
    lost: int
    """Tasks that were run again because their worker was lost."""
    seconds: float


def await_worker(patience: float) -> None:
    """Return when the queues are served. Raises Failed after `patience` seconds."""
    deadline = time.monotonic() + patience
    while problem := obstacle():
        if time.monotonic() > deadline:
            raise Failed(problem)
        time.sleep(INTERVAL)


def demonstrate(
    limit: int | None, timeout: float, on_progress: Callable[[int, int], None]
) -> Outcome:
    """Run it. `on_progress` is told how many tasks of how many have ended. Raises Failed."""
    began = time.monotonic()
    deadline = began + timeout
    paths = sources.find_sources(limit)
    if not paths:
        raise Failed(f"{sources.LIBRARY} has no sources: is Python's library installed as files?")
    work = plan.enqueue(paths)
    total = len(work.expected) + 1
    recounted: dict[str, Counts] = {}
    recount = _recount(paths, recounted)

    for live in _follow(work.run, deadline, recount):
        on_progress(total - 1 - live, total)
    reporting = _enqueue_report(work.run)
    for live in _follow(reporting, deadline, recount):
        on_progress(total - live, total)
    seconds = time.monotonic() - began
    on_progress(total, total)

    for _ in recount:
        pass
    ended = work.run.ended()
    (report,) = reporting.ended()
    complaints = checks.complaints(work, ended, recounted)
    complaints += checks.report_complaints(work, report.result, recounted)
    if complaints:
        raise Failed(_listed(complaints))
    return Outcome(
        report=summarise(work.run.label, recounted),
        tasks=total,
        failures=work.failures,
        retried=sum(len(task.worker_ids) > 1 for task in ended),
        lost=sum(checks.was_lost(task) for task in [*ended, report]),
        seconds=seconds,
    )


def _enqueue_report(run: Run) -> Run:
    urgent = write_report.using(queue_name="reports", priority=50)
    id = UUID(urgent.enqueue(run=run.label, first=str(run.first), last=str(run.last)).id)
    return Run(run.label, id, id)


def _follow(run: Run, deadline: float, meanwhile: Iterator[None]) -> Iterator[int]:
    """How many tasks have not ended, again and again until all have. Raises Failed at the deadline."""
    while live := run.live():
        left = sum(live.values())
        yield left
        if time.monotonic() > deadline:
            states = ", ".join(f"{number} {state}" for state, number in live.items())
            why = f" Now: {problem}" if (problem := obstacle()) else ""
            raise Failed(f"out of time (--timeout): {left} tasks have not ended ({states}).{why}")
        _spend(INTERVAL, meanwhile)


def _spend(seconds: float, meanwhile: Iterator[None]) -> None:
    """Do what there is to do, and sleep if that takes less."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if next(meanwhile, DONE) is DONE:
            time.sleep(left)


def _recount(paths: list[str], into: dict[str, Counts]) -> Iterator[None]:
    """Count every file here, too, one at each step: what the workers return is compared with this."""
    for path in paths:
        into[path] = sources.count(path)
        yield


def _listed(complaints: list[str]) -> str:
    shown = complaints[:SHOWN]
    if more := len(complaints) - len(shown):
        shown.append(f"and {more:,} more")
    return "\n  ".join([f"{len(complaints):,} checks failed:", *shown])
