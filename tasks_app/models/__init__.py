"""The nouns. QuerySets carry reading adjectives only: every change of a task is a verb of `tasks_app.queue`."""

from __future__ import annotations

from tasks_app.models.api_key import ApiKey
from tasks_app.models.audit import Audit
from tasks_app.models.paused_name import PausedName
from tasks_app.models.queue import Queue
from tasks_app.models.statistic import Statistic
from tasks_app.models.task import Task
from tasks_app.models.worker import Worker

__all__ = ["ApiKey", "Audit", "PausedName", "Queue", "Statistic", "Task", "Worker"]
