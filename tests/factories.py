"""Rows of tasks and workers in any state, written straight into the tables; they keep the tables' checks.

For tests of what reads them. Tests of what changes them use the verbs of `tasks_app.queue`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks_app.engine.states import LIVE, Reason, State
from tasks_app.models import Queue, Statistic, Task, Worker
from tasks_app.queue import partitions

REASONS = {State.GATED: Reason.UNKNOWN_NAME, State.FAILED: Reason.EXHAUSTED}


def make_queue(name: str = "default") -> Queue:
    return Queue.objects.get_or_create(name=name)[0]


def make_worker(name: str = "worker-1", **values: Any) -> Worker:
    """An idle, live worker of 8 slots that serves every queue and knows no task."""
    now = timezone.now()
    given = {
        "id": uuid7(),
        "serial": Worker.objects.count() + 1,
        "direct": False,
        "name": name,
        "hostname": "host.example.org",
        "pid": 4711,
        "queues": [],
        "capabilities": [],
        "slots": 8,
        "state": Worker.State.ALIVE,
        "started_at": now - timedelta(hours=1),
        "beat_at": now,
        "lease_expires_at": now + timedelta(minutes=1),
    }
    return Worker.objects.create(**given | values)


def make_task(state: State = State.READY, *, worker: Worker | None = None, **values: Any) -> Task:
    """A task in that state, its queue known. `values`: columns; args, kwargs, errors and result as Python values."""
    state = State(state)
    now = timezone.now()
    row: dict[str, Any] = {
        "id": uuid7(),
        "name": "shop.tasks.send_receipt",
        "queue": "default",
        "backend": "default",
        "priority": 0,
        "state": state,
        "reason": REASONS.get(state),
        "args": [],
        "kwargs": {},
        "enqueued_at": now - timedelta(seconds=10),
        "run_at": now - timedelta(seconds=10),
        "timeout": None,
        "fence": 0,
        "attempt": 0,
        "max_attempts": 3,
        "errors": [],
    }
    if state == State.SCHEDULED:
        row["run_at"] = now + timedelta(minutes=1)
    if state == State.RUNNING:
        worker = worker or make_worker()
        row |= {"worker_id": worker.id, "deadline_at": None}
    if state == State.RUNNING or state not in LIVE:
        began = now - timedelta(seconds=5)
        worker_ids: list[UUID] = [worker.id] if worker else []
        row |= {"fence": 1, "attempt": 1, "worker_ids": worker_ids}
        row |= {"started_at": began, "first_started_at": began}
    if state not in LIVE:
        row |= {"finished_at": now, "result": None, "crashes": 0, "lease_losses": 0}
    row |= values
    if state in LIVE:
        row = {"rank": -row["priority"]} | row
    _insert("tq_task_live" if state in LIVE else "tq_task_history", row)
    make_queue(row["queue"])
    return Task.objects.get(id=row["id"])


def make_statistic(outcome: str, count: int = 1, at: datetime | None = None) -> Statistic:
    return Statistic.objects.create(
        at=(at or timezone.now()).replace(microsecond=0),
        queue="default",
        name="shop.tasks.send_receipt",
        outcome=outcome,
        wait_bucket=0,
        run_bucket=0,
        count=count,
    )


def an_error(
    exception_class: str = "builtins.ValueError",
    message: str = "no",
    traceback: str = "",
    **more: Any,
) -> dict[str, Any]:
    """One entry of a task's errors."""
    now = timezone.now()
    return {
        "attempt": 1,
        "fence": 1,
        "worker": str(uuid7()),
        "started_at": (now - timedelta(seconds=2)).isoformat(),
        "ended_at": now.isoformat(),
        "exception_class": exception_class,
        "message": message,
        "traceback": traceback,
    } | more


def _insert(table: str, row: dict[str, Any]) -> None:
    if table == "tq_task_history":
        partitions.ensure()
    values = {
        key: json.dumps(value) if key in ("args", "kwargs", "errors", "result") else value
        for key, value in row.items()
    }
    position = table == "tq_task_live"
    columns = ", ".join([*values, *(["position"] if position else [])])
    places = ", ".join(["%s"] * len(values) + (["nextval('tq_position')"] if position else []))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(values.values()))
