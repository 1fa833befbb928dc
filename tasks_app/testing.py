"""For the tests of projects that use the queue: run tasks at once, collect them, or drain the real queue in place.

`on_commit` never fires inside Django's TestCase, but none of these needs it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import override_settings
from uuid_utils.compat import uuid7

from tasks_app import compat, conf, queue, registry
from tasks_app.attempt import attempt
from tasks_app.engine.outcomes import NOT_STARTED
from tasks_app.engine.payload import encode
from tasks_app.models import Queue
from tasks_app.registry import QueueTask, check_arguments, check_options

BATCH = 100
MAX_TASKS = 10_000


class _Checked(compat.BaseTaskBackend):
    """Takes the options and refuses the arguments that the real backend would."""

    task_class = QueueTask
    supports_defer = True
    supports_async_task = True
    supports_priority = True

    def validate_task(self, task: compat.Task[Any, Any]) -> None:
        super().validate_task(task)
        check_options(task)

    def enqueue(
        self, task: compat.Task[Any, Any], args: Any, kwargs: Any
    ) -> compat.TaskResult[Any]:
        check_arguments(task, args, kwargs)
        limit = conf.settings().MAX_PAYLOAD_BYTES
        encode(args, "args", limit)
        encode(kwargs, "kwargs", limit)
        return super().enqueue(task, args, kwargs)  # type: ignore[safe-super]

    def enqueue_many(
        self,
        task: compat.Task[Any, Any],
        calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]],
    ) -> list[str]:
        return [self.enqueue(task, args, kwargs).id for args, kwargs in calls]


class ImmediateBackend(_Checked, compat.ImmediateBackend):
    """Runs a task inside `enqueue`, once: no retries, no timeout, and a delay is not waited for."""


class DummyBackend(_Checked, compat.DummyBackend):
    """Runs nothing: what was enqueued is in `task_backends["default"].results`."""


@contextmanager
def inline() -> Iterator[None]:
    """Within this block every enqueued task runs at once, in place, and its result is there when enqueue returns."""
    backends = {
        alias: {**params, "BACKEND": "tasks_app.testing.ImmediateBackend"}
        for alias, params in settings.TASKS.items()
    }
    with override_settings(TASKS=backends):
        yield


def drain(*queues: str, limit: int = MAX_TASKS) -> int:
    """Run in this thread what is due in the real queue, and what that enqueues; how many attempts were made.

    Retries that fall due while it runs are run too; those later are left. Raises RuntimeError after `limit` attempts.
    """
    queue.find_queues()
    worker = uuid7()
    names = list(queues) or list(Queue.objects.values_list("name", flat=True))
    queue.register(
        queue.Registration(
            id=worker,
            serial=queue.take_serial(),
            direct=False,
            name="drain",
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queues=names,
            capabilities=registry.names(),
            slots=1,
        )
    )
    attempts = 0
    try:
        while True:
            queue.promote()
            claims = queue.claim(names, BATCH, worker)
            if not claims:
                return attempts
            for claim in claims:
                outcome = attempt(claim, asyncio.run)
                ran = None if isinstance(outcome, NOT_STARTED) else 0.0
                queue.finish([queue.Finish(claim, claim.decide(outcome), ran=ran)])
            attempts += len(claims)
            if attempts > limit:
                raise RuntimeError(
                    f"drain: more than {limit:,} attempts; is a task enqueueing itself?"
                )
    finally:
        queue.retire(worker)
