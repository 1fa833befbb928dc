"""System checks: what `manage.py check` finds wrong with the queue's settings before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands

from tasks_app import compat, conf
from tasks_app.backend import TaskQueueBackend


@checks.register
def check_settings(
    *, app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """TASKQUEUE is valid, its database is PostgreSQL, and its backends name sensible queues."""
    try:
        alias = conf.settings().DATABASE
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="tasks_app.E002")]
    found: list[checks.CheckMessage] = []
    engine = settings.DATABASES[alias]["ENGINE"]
    if not engine.startswith(("django.db.backends.postgresql", "taskqueue_project.embedded")):
        found.append(
            checks.Warning(
                f"The queue's database {alias!r} uses {engine!r}: it must be PostgreSQL 15 or newer.",
                id="tasks_app.W001",
            )
        )
    for backend in compat.task_backends.all():
        if isinstance(backend, TaskQueueBackend):
            found.extend(backend.check())
    return found


@checks.register
def check_runworker(
    *, app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Django runs the command of the first app that has it, and Channels has a runworker too."""
    owner = get_commands().get("runworker")
    name = getattr(owner, "name", owner)
    if name in (None, "workers_app"):
        return []
    return [
        checks.Error(
            f"`manage.py runworker` is that of {name!r}, not of the task queue.",
            hint="Put 'workers_app' before it in INSTALLED_APPS.",
            id="tasks_app.E003",
        )
    ]
