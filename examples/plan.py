"""What the demonstration enqueues, and how each of its tasks has to end."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from examples import sources
from examples.run import Run
from examples.tasks import FirstAttempt, count_file, count_file_flaky, draft_mail
from tasks_app import conf
from tasks_app.engine.states import Reason, State

QUEUES = ("default", "mail", "reports")
FLAKY = 5
MAILS = 3
DELAY = timedelta(seconds=3)
MISSING = "no_such_module.py"
FORBIDDEN = "../outside.py"


@dataclass(frozen=True, slots=True)
class Expected:
    """How one task has to end."""

    state: State = State.SUCCEEDED
    reason: Reason | None = None
    errors: tuple[str, ...] = ()
    """Exception class of each failed attempt."""
    counts: str | None = None
    """The file that it counts, if it is to return counts."""

    @property
    def attempts(self) -> int:
        return len(self.errors) + (self.state == State.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Plan:
    run: Run
    paths: list[str]
    expected: dict[UUID, Expected]
    """By the task's id."""

    @property
    def failures(self) -> int:
        return sum(expected.state == State.FAILED for expected in self.expected.values())


def enqueue(paths: list[str]) -> Plan:
    """Enqueue everything but the report, in one transaction: no worker sees a part of it."""
    run = secrets.token_hex(4)
    flaky = paths[:: max(1, len(paths) // FLAKY)][:FLAKY]
    steady = [path for path in paths if path not in flaky]
    failures = _failures()
    expected: dict[UUID, Expected] = {}
    with transaction.atomic(using=conf.settings().DATABASE):
        ids = count_file.enqueue_many({"path": path, "run": run} for path in steady)
        expected |= zip(map(UUID, ids), [Expected(counts=path) for path in steady], strict=True)

        ids = count_file_flaky.enqueue_many({"path": path, "run": run} for path in flaky)
        retried = [Expected(errors=(_dotted(FirstAttempt),), counts=path) for path in flaky]
        expected |= zip(map(UUID, ids), retried, strict=True)

        ids = count_file.enqueue_many({"path": path, "run": run} for path in failures)
        expected |= zip(map(UUID, ids), failures.values(), strict=True)

        urgent = draft_mail.using(queue_name="mail", priority=10)
        ids = urgent.enqueue_many({"subject": text, "run": run} for text in _subjects(paths))
        later = draft_mail.using(queue_name="mail", run_after=DELAY)
        ids += later.enqueue_many([{"subject": "three seconds later", "run": run}])
        expected |= {UUID(id): Expected() for id in ids}
    return Plan(Run(run, min(expected), max(expected)), paths, expected)


def _failures() -> dict[str, Expected]:
    """Paths that cannot be counted, and how the tasks given them end."""

    def discarded(error: type[Exception]) -> Expected:
        return Expected(State.FAILED, Reason.DISCARDED, (_dotted(error),))

    failures = {path: discarded(sources.NotPython) for path in sources.find_unreadable(2)}
    failures[FORBIDDEN] = discarded(sources.OutsideLibrary)
    failures[MISSING] = Expected(State.FAILED, Reason.EXHAUSTED, (_dotted(FileNotFoundError),) * 3)
    return failures


def _dotted(error: type[Exception]) -> str:
    return f"{error.__module__}.{error.__qualname__}"


def _subjects(paths: list[str]) -> list[str]:
    """One for each of the largest packages."""
    packages = Counter(path.split("/")[0] for path in paths if "/" in path)
    return [f"{name}: {files:,} files" for name, files in packages.most_common(MAILS)]
