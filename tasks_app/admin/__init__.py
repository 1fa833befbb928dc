"""How the console shows this app's nouns; analytics_app.site registers these classes."""

from __future__ import annotations

from tasks_app.admin.api_keys import ApiKeyAdmin
from tasks_app.admin.queues import QueueAdmin
from tasks_app.admin.tasks import TaskAdmin
from tasks_app.admin.workers import WorkerAdmin

__all__ = ["ApiKeyAdmin", "QueueAdmin", "TaskAdmin", "WorkerAdmin"]
