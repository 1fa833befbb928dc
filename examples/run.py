"""One run of the demonstration: its tasks share a label, and their ids lie in one range.

Ids grow with time (UUIDv7), so the range keeps every query on a primary key, however long the history is; the label
tells this run's tasks from others that were enqueued in the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count

from tasks_app import conf
from tasks_app.engine.states import LIVE, State
from tasks_app.models import Task
from tasks_app.models.task import TaskQuerySet


@dataclass(frozen=True, slots=True)
class Run:
    label: str
    first: UUID
    last: UUID

    def tasks(self) -> TaskQuerySet:
        everything = Task.objects.using(conf.settings().DATABASE)
        return everything.filter(id__range=(self.first, self.last), kwargs__run=self.label)

    def live(self) -> dict[str, int]:
        """How many have not ended, by state: only live tasks are looked at, history is not."""
        rows = self.tasks().in_state(*LIVE).values_list("state").annotate(Count("id"))
        return dict(rows.order_by("state"))

    def ended(self) -> list[Task]:
        return list(self.tasks().finished().order_by("id"))

    def succeeded(self) -> TaskQuerySet:
        return self.tasks().in_state(State.SUCCEEDED)
