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
from tasks_app.registry import (
    QueueTask,
    check_arguments,
    check_options,
    check_queue_name,
    find,
)

if TYPE_CHECKING:
    from tasks_app.models import Task
    from tasks_app.queue import Spec

# Backends are made while modules are imported, before models can be: those are imported by the methods that use them.

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
        return Spec(
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

    def enqueue(self, task: compat.Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        from tasks_app import queue

        # Made under this backend, it was validated by its own __post_init__.
        if not isinstance(task, QueueTask) or task.backend != self.alias:
            self.validate_task(task)
        spec = self.spec(task, args, kwargs)
        queue.enqueue([spec])
        result: TaskResult[Any] = TaskResult(
            task=task,
            id=str(spec.id),
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
        compat.task_enqueued.send(type(self), task_result=result)
        return result

    def enqueue_many(
        self,
        task: compat.Task[Any, Any],
        calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]],
    ) -> list[str]:
        """Enqueue one task per (args, kwargs), in one statement; their ids. No task_enqueued is sent."""
        from tasks_app import queue

        self.validate_task(task)
        specs = [self.spec(task, args, kwargs) for args, kwargs in calls]
        queue.enqueue(specs)
        return [str(spec.id) for spec in specs]

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
    return result


def task_errors(entries: Iterable[Mapping[str, Any]]) -> list[TaskError]:
    return [
        TaskError(
            exception_class_path=entry["exception_class"], traceback=entry.get("traceback", "")
        )
        for entry in entries
    ]
