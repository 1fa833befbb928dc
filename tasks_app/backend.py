"""The Django Tasks backend: `TASKS = {"default": {"BACKEND": "tasks_app.backend.TaskQueueBackend"}}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core import checks
from django.utils import timezone

from tasks_app import compat, conf
from tasks_app.compat import TaskError, TaskResult, TaskResultStatus
from tasks_app.engine.payload import encode
from tasks_app.engine.states import State
from tasks_app.engine.unique import Unique
from tasks_app.registry import (
    QueueTask,
    bind,
    check_arguments,
    check_options,
    check_queue_name,
    find,
)

if TYPE_CHECKING:
    from tasks_app.models import Task
    from tasks_app.queue import Spec, UniqueKey

# Backends are made while modules are imported, before models can be: those are imported by the methods that use them.

MAX_METADATA = 8_192
"""Bytes of a task's tags, and of its metadata, as JSON."""

CANCELLED = TaskError(exception_class_path="tasks_app.exceptions.TaskCancelled", traceback="")
"""What Django Tasks shows last of a cancelled task, whose status it knows only as FAILED."""

STATUS = {
    State.SCHEDULED: TaskResultStatus.READY,
    State.BLOCKED: TaskResultStatus.READY,
    State.GATED: TaskResultStatus.READY,
    State.READY: TaskResultStatus.READY,
    State.RUNNING: TaskResultStatus.RUNNING,
    State.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    State.FAILED: TaskResultStatus.FAILED,
    State.CANCELLED: TaskResultStatus.FAILED,
}


class TaskQueueBackend(compat.BaseTaskBackend):
    task_class = QueueTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def validate_task(self, task: compat.Task[Any, Any]) -> None:
        super().validate_task(task)
        check_options(task)

    def spec(
        self, task: compat.Task[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Spec:
        """The checked value that is enqueued. Raises InvalidTask, InvalidArguments or InvalidPayload."""
        from tasks_app.queue import Spec

        check_arguments(task, args, kwargs)
        settings = conf.settings()
        limit = settings.MAX_PAYLOAD_BYTES
        max_attempts = timeout = None
        if isinstance(task, QueueTask):
            max_attempts, timeout = task.max_attempts, task.timeout
        spec = Spec(
            name=task.module_path,
            args=encode(args, "args", limit) if args else "[]",
            kwargs=encode(kwargs, "kwargs", limit) if kwargs else "{}",
            queue=task.queue_name,
            priority=task.priority,
            run_at=task.run_after,
            max_attempts=max_attempts or settings.MAX_ATTEMPTS,
            timeout=timeout or settings.TIMEOUT,
            backend=self.alias,
        )
        if isinstance(task, QueueTask):
            if task.expires_in is not None:
                spec.expires_in = float(task.expires_in)  # type: ignore[arg-type]  # no timedelta by now
            if task.tags:
                spec.tags = encode(task.tags, "tags", MAX_METADATA)
            if task.metadata:
                spec.metadata = encode(task.metadata, "metadata", MAX_METADATA)
            if isinstance(task.unique, Unique):
                spec.unique = unique_key(task, task.unique, args, kwargs)
        return spec

    def enqueue(self, task: compat.Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        from tasks_app.queue import enqueue

        # Made under this backend, it was validated by its own __post_init__.
        if not isinstance(task, QueueTask) or task.backend != self.alias:
            self.validate_task(task)
        spec = self.spec(task, args, kwargs)
        (id,) = enqueue([spec])
        if id != spec.id:
            try:
                return self.get_result(id)
            except compat.TaskResultDoesNotExist:
                pass  # It held its key for a period, and is gone: only its id is known.
        result: TaskResult[Any] = TaskResult(
            task=task,
            id=id,
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=list(args),
            kwargs=dict(kwargs),
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        if id == spec.id:
            compat.task_enqueued.send(type(self), task_result=result)
        return result

    def enqueue_many(
        self,
        task: compat.Task[Any, Any],
        calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]],
    ) -> list[str]:
        """Enqueue one task per (args, kwargs), in one statement; their ids, or those of the tasks that hold their keys.

        No task_enqueued is sent.
        """
        from tasks_app import queue

        self.validate_task(task)
        specs = [self.spec(task, args, kwargs) for args, kwargs in calls]
        return queue.enqueue(specs)

    def get_result(self, result_id: str) -> TaskResult[Any]:
        from tasks_app.models import Task

        try:
            row = Task.objects.using(conf.settings().DATABASE).get(id=UUID(str(result_id)))
        except (ValueError, Task.DoesNotExist) as error:
            raise compat.TaskResultDoesNotExist(result_id) from error
        return result_of(row)

    def check(self, **kwargs: Any) -> Iterable[checks.CheckMessage]:
        yield from super().check(**kwargs)
        for name in self.queues:
            try:
                check_queue_name(name)
            except compat.InvalidTask as error:
                yield checks.Error(f"TASKS[{self.alias!r}]['QUEUES']: {error}", id="tasks_app.E001")


def unique_key(
    task: compat.Task[Any, Any], unique: Unique, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> UniqueKey:
    """The key of this call. The same call has one key, whether its arguments are given by place or by name."""
    from tasks_app.queue import UniqueKey

    bound = bind(task, args, kwargs)
    positional = bound.args[1:] if task.takes_context else bound.args
    return UniqueKey(
        unique.key_of(task.module_path, positional, bound.kwargs),
        "period" if unique.period is not None else unique.until,
        unique.period,
        unique.on_conflict,
    )


def task_of(row_name: str, **options: Any) -> compat.Task[Any, Any]:
    """The registered task with a stored row's options; settings may have changed since, so nothing is validated."""
    task = find(row_name)
    if all(getattr(task, field) == value for field, value in options.items()):
        return task
    changed = object.__new__(type(task))
    for field in task.__dataclass_fields__:
        object.__setattr__(changed, field, options.get(field, getattr(task, field)))
    return changed


def result_of(row: Task) -> TaskResult[Any]:
    """What Django Tasks shows of a stored task. Raises UnknownTask if its function is not registered here."""
    result: TaskResult[Any] = TaskResult(
        task=task_of(row.name, priority=row.priority, queue_name=row.queue, backend=row.backend),
        id=str(row.id),
        status=STATUS[State(row.state)],
        enqueued_at=row.enqueued_at,
        started_at=row.first_started_at,
        finished_at=row.finished_at,
        last_attempted_at=row.started_at,
        args=row.args,
        kwargs=row.kwargs,
        backend=row.backend,
        errors=task_errors(row.errors),
        worker_ids=[str(worker) for worker in row.worker_ids],
    )
    object.__setattr__(result, "_return_value", row.result)
    if row.state == State.CANCELLED:
        result.errors.append(CANCELLED)
    return result


def task_errors(entries: Iterable[Mapping[str, Any]]) -> list[TaskError]:
    return [
        TaskError(
            exception_class_path=entry["exception_class"], traceback=entry.get("traceback", "")
        )
        for entry in entries
        if "event" not in entry  # what a person did is no error
    ]
