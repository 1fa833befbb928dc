"""What a person may do to tasks, queues and task names. Every door calls these, and each act is written to the audit.

Acts on tasks take at most MAX_IDS ids, and report what was done and what was not: where an act is not legal in a task's
state, that task is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from tasks_app import conf, events
from tasks_app.engine.states import Reason, State
from tasks_app.models import Task
from tasks_app.queue import partitions, statements
from tasks_app.queue.fleet import ungate

MAX_IDS = 1_000
"""Tasks in one call, and so rows locked at once."""
MAX_PRIORITY = 100

Row = tuple[Any, ...]
"""Task, its state before, and something that is not None or False if the act was legal in it."""


@dataclass(slots=True)
class Report:
    done: dict[UUID, State] = field(default_factory=dict)
    """Task → its state before. A running one that was cancelled has only been asked to end."""
    refused: dict[UUID, State] = field(default_factory=dict)
    """Task → the state it is in, in which the act is not legal."""
    unknown: list[UUID] = field(default_factory=list)
    """There is no such task."""


def cancel(ids: Sequence[UUID], *, by: str, reason: str = "") -> Report:
    """End tasks. Those that wait end at once; those that run are cancelled when their attempt ends without success."""

    def end(ids: list[UUID], note: str) -> list[Row]:
        rows = _end(ids, note, State.CANCELLED)
        running = [id for id, state, _ in rows if state == State.RUNNING]
        asked = {id for (id,) in statements.run("ask_to_end", {"id": running, "note": note})}
        return [(id, state, legal or id in asked) for id, state, legal in rows]

    return _act("cancel", ids, end, by, reason)


def discard(ids: Sequence[UUID], *, by: str, reason: str = "") -> Report:
    """Let waiting tasks fail without another attempt: they become dead letters."""
    return _act(
        "discard",
        ids,
        lambda ids, note: _end(ids, note, State.FAILED, Reason.DISCARDED),
        by,
        reason,
    )


def retry(ids: Sequence[UUID], *, by: str, reason: str = "") -> Report:
    """Make scheduled tasks ready now, whatever they wait for: a retry's delay or a time of their own."""
    return _act("retry", ids, lambda ids, note: _moved("retry", id=ids, note=note), by, reason)


def redrive(ids: Sequence[UUID], *, by: str, reason: str = "") -> Report:
    """Give failed and cancelled tasks all their attempts again, under the same id."""
    return _act("redrive", ids, lambda ids, note: _moved("redrive", id=ids, note=note), by, reason)


def reprioritise(ids: Sequence[UUID], priority: int, *, by: str, reason: str = "") -> Report:
    """Give live tasks another priority. Raises ValueError unless it is a whole number from -100 to 100."""
    if type(priority) is not int or abs(priority) > MAX_PRIORITY:
        raise ValueError(f"priority={priority!r}: must be a whole number from -100 to 100.")
    return _act(
        "reprioritise",
        ids,
        lambda ids, note: _moved("reprioritise", returned=True, id=ids, priority=priority),
        by,
        reason,
        priority=priority,
    )


def reschedule(ids: Sequence[UUID], run_at: datetime, *, by: str, reason: str = "") -> Report:
    """Give scheduled and ready tasks another time. Raises ValueError unless it has a time zone."""
    if timezone.is_naive(run_at):
        raise ValueError(f"run_at={run_at}: must have a time zone.")
    return _act(
        "reschedule",
        ids,
        lambda ids, note: _moved("reschedule", id=ids, run_at=run_at),
        by,
        reason,
        run_at=run_at.isoformat(),
    )


def edit_args(id: UUID, args: str, kwargs: str, *, by: str, reason: str = "") -> Report:
    """Give a waiting task other arguments: JSON text as `engine.payload.encode` writes it, checked by the door."""
    return _act(
        "edit-args",
        [id],
        lambda ids, note: statements.run(
            "edit_args", {"id": ids[0], "args": args, "kwargs": kwargs}
        ),
        by,
        reason,
    )


def purge(ids: Sequence[UUID], *, by: str, reason: str = "") -> Report:
    """Remove tasks that wait or have ended; only how many they were is kept."""
    return _act("purge", ids, lambda ids, note: statements.run("purge", {"id": ids}), by, reason)


def pause(queue: str, *, by: str, reason: str = "") -> None:
    """Stop claims from a queue; running tasks go on, and enqueueing too."""
    values = {"name": queue, "by": by, "reason": reason}
    _audited("pause", f"queue {queue}", lambda: statements.run("pause", values), by, reason)


def resume(queue: str, *, by: str, reason: str = "") -> bool:
    """Let workers claim from a queue again. False: there is no such queue."""
    values = {"name": queue}
    known = _audited(
        "resume", f"queue {queue}", lambda: statements.run("resume", values), by, reason
    )
    if known:
        events.wake({queue})
    return bool(known)


def pause_name(name: str, *, by: str, reason: str = "") -> None:
    """Let no task of this name start; those that run go on, and enqueueing too."""
    values = {"name": name, "by": by, "reason": reason}
    _audited("pause", f"name {name}", lambda: statements.run("pause_name", values), by, reason)


def resume_name(name: str, *, by: str, reason: str = "") -> bool:
    """Let tasks of this name start again. False: it was not paused."""
    values = {"name": name}
    known = _audited(
        "resume", f"name {name}", lambda: statements.run("resume_name", values), by, reason
    )
    if known:
        ungate([])
    return bool(known)


def _end(ids: list[UUID], note: str, state: State, reason: Reason | None = None) -> list[Row]:
    return statements.run(
        "end_waiting", {"id": ids, "state": state, "reason": reason, "note": note}
    )


def _moved(name: str, *, returned: bool = False, **parameters: Any) -> list[Row]:
    """Run a statement that may give tasks another place. `returned`: one that may be before where claimers look."""
    rows = statements.run(name, parameters)
    if queues := {queue for _, _, queue in rows if queue is not None}:
        events.wake(queues, returned=returned)
    return rows


def _act(
    action: str,
    ids: Sequence[UUID],
    do: Callable[[list[UUID], str], list[Row]],
    by: str,
    reason: str,
    **detail: Any,
) -> Report:
    left = sorted(set(ids))
    if len(left) > MAX_IDS:
        raise ValueError(f"{len(left):,} tasks: {action} takes at most {MAX_IDS:,} at once.")
    entry = {"event": action, "by": by, "message": reason, "ended_at": timezone.now().isoformat()}
    report = Report()

    def work() -> list[Row]:
        rows = do(left, json.dumps([entry]))
        if done := [str(id) for id, _, legal in rows if legal]:
            subject = f"task {done[0]}" if len(done) == 1 else f"{len(done):,} tasks"
            _audit(action, subject, by, reason, detail | {"tasks": done})
        return rows

    # Twice: a task that was redriven or has ended while the first look was under way is met by the second.
    for _ in range(2):
        if left:
            rows = partitions.repeat_when_missing(lambda: statements.in_transaction(work))
            for id, state, legal in rows:
                (report.done if legal else report.refused)[id] = State(state)
            left = [id for id in left if id not in report.done and id not in report.refused]
    found = Task.objects.using(conf.settings().DATABASE).filter(id__in=left)
    report.refused |= {id: State(state) for id, state in found.values_list("id", "state")}
    report.unknown = [id for id in left if id not in report.refused]
    return report


def _audited(
    action: str, subject: str, do: Callable[[], list[Row]], by: str, reason: str = ""
) -> list[Row]:
    def work() -> list[Row]:
        if rows := do():
            _audit(action, subject, by, reason, {})
        return rows

    return statements.in_transaction(work)


def _audit(action: str, subject: str, by: str, reason: str, detail: dict[str, Any]) -> None:
    statements.run(
        "audit",
        {
            "by": by,
            "action": action,
            "subject": subject,
            "reason": reason,
            "detail": json.dumps(detail),
        },
    )
