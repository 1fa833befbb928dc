"""The assertion at the end of the demonstration: what the queue did against what it had to do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from examples import report
from examples.plan import Expected, Plan
from examples.sources import Counts
from tasks_app.models import Task


def complaints(plan: Plan, ended: Sequence[Task], recounted: Mapping[str, Counts]) -> list[str]:
    """What is wrong with the ended tasks of the plan: nothing, if the list is empty."""
    times = Counter(task.id for task in ended)
    found = [f"task {id} is not among the ended ones" for id in plan.expected if id not in times]
    found += [f"task {id} ended {number} times" for id, number in times.items() if number > 1]
    found += [f"task {id} was never enqueued" for id in times if id not in plan.expected]
    known = [(task, plan.expected[task.id]) for task in ended if task.id in plan.expected]
    for task, expected in known:
        found += [f"{task} {task.kwargs}: {text}" for text in _of_one(task, expected, recounted)]
    counted = Counter(
        expected.counts for task, expected in known if expected.counts and task.result
    )
    found += [
        f"{path} was counted {counted[path]} times" for path in plan.paths if counted[path] != 1
    ]
    return found


def _of_one(task: Task, expected: Expected, recounted: Mapping[str, Counts]) -> Iterable[str]:
    if (task.state, task.reason) != (expected.state, expected.reason):
        yield f"{task.state} ({task.reason}) instead of {expected.state} ({expected.reason})"
    if task.first_started_at is None or task.first_started_at < task.enqueued_at:
        yield "was started before it was enqueued"
    if not was_lost(task):
        errors = [error["exception_class"] for error in task.errors]
        if errors != list(expected.errors):
            yield f"its attempts raised {errors} instead of {list(expected.errors)}"
        if task.attempt != expected.attempts:
            yield f"{task.attempt} attempts instead of {expected.attempts}"
        if task.attempt == 1 and task.first_started_at and task.first_started_at < task.run_at:
            yield f"was started at {task.first_started_at}, before it was due at {task.run_at}"
    if expected.counts and task.result != recounted.get(expected.counts):
        yield f"returned {task.result}, but a recount gives {recounted.get(expected.counts)}"


def was_lost(task: Task) -> bool:
    """Whether an attempt was lost with its worker: then it was made again, and the numbers differ."""
    return bool(task.crashes or task.lease_losses)


def report_complaints(plan: Plan, result: object, recounted: Mapping[str, Counts]) -> list[str]:
    """What is wrong with the report task's result and with the files that it wrote."""
    true = report.summarise(plan.run.label, recounted)
    if result != true:
        return [f"the report task returned {result}, but a recount gives {true}"]
    path = report.directory() / "report.json"
    try:
        written = json.loads(path.read_text())
        text = path.with_suffix(".txt").read_text()
    except (OSError, ValueError) as error:
        return [f"{path}: {error} (has the worker another TASKQUEUE_VAR, or another machine?)"]
    if written != true or text != report.as_text(true):
        return [f"{path} and its .txt are not what the report task returned"]
    return []
