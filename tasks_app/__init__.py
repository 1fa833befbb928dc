"""Tasks, queues, and everything that may change them. `from tasks_app import task`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks_app.engine.answers import Cancel, Discard, Retry, Snooze
from tasks_app.engine.retry import Backoff
from tasks_app.engine.unique import Unique

if TYPE_CHECKING:
    from tasks_app.registry import QueueTask, task

__all__ = ["Backoff", "Cancel", "Discard", "QueueTask", "Retry", "Snooze", "Unique", "task"]


def __getattr__(name: str) -> Any:
    # Lazily: Django imports this package while the settings are still being read.
    if name in __all__:
        from tasks_app import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
