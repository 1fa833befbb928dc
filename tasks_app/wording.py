"""Times and states of tasks in words, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tasks_app.engine.states import Reason, State
from tasks_app.models import Queue, Task, Worker

GATED: dict[str, str] = {
    Reason.UNKNOWN_NAME: "no live worker knows this name",
    Reason.NAME_PAUSED: "its name is paused",
}
MAX_ERROR = 300
"""Characters of an error's message in a sentence."""


def duration(seconds: float) -> str:
    """3 ms, 1.2 s, 42 s, 4 m 12 s, 3 h 5 m, 2 d 3 h."""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, smaller_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{whole} s"


def count(number: int, cap: int | None = None) -> str:
    """1,234; with a cap that was reached, `10,000+`."""
    return f"{cap:,}+" if cap is not None and number > cap else f"{number:,}"


def plural(number: int, noun: str, cap: int | None = None) -> str:
    return f"{count(number, cap)} {noun}" + ("" if number == 1 else "s")


def error(entry: Mapping[str, Any]) -> str:
    """`ValueError: message` of one entry in a task's errors: its first line, cut."""
    name = str(entry.get("exception_class") or "error").rpartition(".")[2]
    message = str(entry.get("message") or "").strip()
    line = message.splitlines()[0][:MAX_ERROR] if message else ""
    return f"{name}: {line}" if line else name


def progress(task: Task, now: datetime) -> str:
    """How long it waits, runs or ran."""
    if task.state == State.SCHEDULED:
        return _due(task.run_at, now)
    if task.state == State.RUNNING and task.started_at:
        return f"for {duration((now - task.started_at).total_seconds())}"
    if task.finished_at and task.started_at:
        return duration((task.finished_at - task.started_at).total_seconds())
    if task.finished_at:
        return "did not start"
    return f"waits {duration((now - task.run_at).total_seconds())}"


def why(task: Task, now: datetime, queue: Queue | None, workers: Sequence[Worker]) -> str:
    """The state of a task and what it is due to, in one sentence. `workers`: those alive."""
    last = f": {error(task.failures[-1])}" if task.failures else ""
    attempt = f"attempt {task.attempt} of {task.max_attempts}"
    match task.state:
        case State.SCHEDULED if task.attempt:
            attempt = f"attempt {task.attempt + 1} of {task.max_attempts}"
            return f"retrying {_due(task.run_at, now)}, {attempt}{last}"
        case State.SCHEDULED:
            return f"scheduled: {_due(task.run_at, now)}"
        case State.GATED:
            return f"gated: {GATED.get(task.reason or '', task.reason)}"
        case State.READY:
            return f"ready: {_waits_for(task, now, queue, workers)}"
        case State.RUNNING:
            left = (
                f", {duration((task.deadline_at - now).total_seconds())} left"
                if task.deadline_at
                else ""
            )
            asked = ", asked to end" if task.cancel_requested_at else ""
            return f"running {progress(task, now)}, {attempt}{left}{asked}"
        case State.SUCCEEDED:
            return f"succeeded in {progress(task, now)}, {attempt}"
        case State.FAILED:
            return f"failed: {_reason(task)}{last}"
        case State.CANCELLED:
            return f"cancelled {_by_whom(task, last)}"
        case _:
            return task.state


def _by_whom(task: Task, last: str) -> str:
    if not task.acts:
        return f"by itself{last}"
    act = task.acts[-1]
    return f"by {act['by']}" + (f": {act['message']}" if act["message"] else "")


def _due(at: datetime, now: datetime) -> str:
    seconds = (at - now).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else "any moment now"


def _waits_for(task: Task, now: datetime, queue: Queue | None, workers: Sequence[Worker]) -> str:
    if queue is not None and queue.paused:
        reason = f" ({queue.pause_reason})" if queue.pause_reason else ""
        return f"its queue is paused by {queue.paused_by}{reason}"
    if not workers:
        return "no worker is alive"
    serving = [w for w in workers if not w.queues or task.queue in w.queues]
    if not serving:
        return "no live worker serves its queue"
    able = [w for w in serving if task.name in w.capabilities]
    if not able:
        return "no worker that serves its queue knows this name"
    waited = duration((now - task.run_at).total_seconds())
    return f"waits its turn for {waited}; {plural(len(able), 'worker')} can run it"


def _reason(task: Task) -> str:
    match task.reason:
        case Reason.EXHAUSTED:
            return f"exhausted after {plural(task.attempt, 'attempt')}"
        case Reason.DISCARDED:
            return f"not to be tried again after attempt {task.attempt} of {task.max_attempts}"
        case Reason.TIMEOUT:
            limit = f" of {duration(task.timeout)}" if task.timeout else ""
            return f"its last attempt took longer than its timeout{limit}"
        case Reason.EXPIRED:
            return "not started in time"
        case Reason.POISON:
            return f"its process died {plural(task.crashes, 'time')} while it ran this task"
        case _:
            return str(task.reason)
