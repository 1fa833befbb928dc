"""tasks_app: finds every app's tasks, and prepares the database after migrations."""

from __future__ import annotations

import logging
from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class TasksAppConfig(AppConfig):
    name = "tasks_app"
    verbose_name = "Tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tasks_app import checks, compat  # noqa: F401 - checks: registers them

        if not compat.task_log.isEnabledFor(logging.DEBUG):
            # Django's own receiver logs each enqueueing at DEBUG. Where nobody reads that, no time is spent on it.
            compat.task_enqueued.disconnect(compat.log_task_enqueued)
        autodiscover_modules("tasks")
        post_migrate.connect(_prepare, sender=self)


def _is_whole(using: str) -> bool:
    """Whether all our migrations are applied, not only the first ones."""
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections[using])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes("tasks_app"))


def _prepare(*, using: str, **_: Any) -> None:
    """Days of history ahead, and the queues that the settings name."""
    from tasks_app import compat, conf
    from tasks_app.models import Queue
    from tasks_app.queue import partitions

    if using != conf.settings().DATABASE or not _is_whole(using):
        return
    partitions.ensure()
    names = sorted({name for backend in compat.task_backends.all() for name in backend.queues})
    Queue.objects.using(using).bulk_create(
        [Queue(name=name) for name in names], ignore_conflicts=True
    )
