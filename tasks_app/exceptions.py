"""What goes wrong at the edges of the queue."""

from __future__ import annotations

from tasks_app.engine.payload import InvalidPayload

__all__ = [
    "DuplicateTask",
    "InvalidArguments",
    "InvalidPayload",
    "InvalidResult",
    "TaskCancelled",
    "TaskTimeout",
    "UnknownTask",
    "WorkerLost",
]


class UnknownTask(LookupError):
    """No task of that name is registered in this process."""


class DuplicateTask(ValueError):
    """Another task holds the unique key, and this one was to be refused then."""

    def __init__(self, key: str, holder: str) -> None:
        super().__init__(f"The unique key {key!r} is held by task {holder}.")
        self.key = key
        self.holder = holder


class InvalidArguments(TypeError):
    """Arguments that do not fit the signature of the task's function."""


class InvalidResult(TypeError):
    """A task returned something that cannot be stored as JSON."""


class TaskCancelled(RuntimeError):
    """A task was cancelled, by a person or by itself. Never raised: how Django Tasks, which has no such state, shows it."""


class TaskTimeout(TimeoutError):
    """An attempt took longer than the task's timeout."""


class WorkerLost(RuntimeError):
    """The process that ran an attempt died, or was not heard of for a whole lease."""
