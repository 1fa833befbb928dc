"""Which tasks a list shows, and where its next page begins."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django_filters import CharFilter, Filter, FilterSet, MultipleChoiceFilter, UUIDFilter

from tasks_app.api.serializers import STATES, TaskSummary, instant
from tasks_app.engine.states import State
from tasks_app.models import Task
from tasks_app.models.task import TaskQuerySet
from tasks_app.selection import SKEW, first_id

PAGE = 50
MAX_PAGE = 200
WINDOW = 50_000
"""Tasks that one page looks through for a filter that no index serves; the next page goes on from there."""


class InstantField(forms.Field):
    def to_python(self, value: str | None) -> datetime | None:
        try:
            return instant(value) if value else None
        except ValueError as error:
            raise ValidationError(str(error)) from error


class InstantFilter(Filter):  # type: ignore[misc]
    field_class = InstantField


class CursorField(forms.Field):
    def to_python(self, value: str | None) -> UUID | None:
        try:
            return UUID(bytes=urlsafe_b64decode(f"{value[:23]}==")) if value else None
        except ValueError as error:
            raise ValidationError("Must be one that an earlier page gave.") from error


class CursorFilter(Filter):  # type: ignore[misc]
    field_class = CursorField


class LimitFilter(Filter):  # type: ignore[misc]
    field_class = forms.IntegerField

    def filter(self, tasks: TaskQuerySet, limit: int | None) -> TaskQuerySet:
        return tasks  # of the page, not of the tasks


class TaskFilter(FilterSet):  # type: ignore[misc]
    """The query of a list of tasks."""

    state = MultipleChoiceFilter(choices=STATES, method="in_states")
    enqueued_after = InstantFilter(method="since")
    enqueued_before = InstantFilter(method="until")
    cursor = CursorFilter(field_name="id", lookup_expr="lt")
    queue = CharFilter()
    name = CharFilter(method="named")
    worker = UUIDFilter(method="claimed_by")
    limit = LimitFilter(min_value=1, max_value=MAX_PAGE)

    SEEKS: tuple[str, ...] = ("enqueued_after", "enqueued_before", "cursor")
    """An index leads to what these ask for, and to one state, but not to one of several."""
    SEARCHES: tuple[str, ...] = ("queue", "name", "worker")

    def page(self) -> tuple[list[Task], UUID | None]:
        """The newest tasks that match, and the id before which the next page begins, if there is more.

        At a bounded cost: it seeks by id, never counts, and searches no more than WINDOW tasks.
        """
        asked = self.form.cleaned_data
        limit = asked["limit"] or PAGE
        seeks, searches = self.SEEKS, self.SEARCHES
        if len(asked["state"]) > 1:
            searches = ("state", *searches)
        else:
            seeks = ("state", *seeks)
        tasks = self._narrow(self.queryset.newest_first(), seeks)
        edge = None
        if any(asked[name] for name in searches):
            ids = tasks.values_list("id", flat=True)
            edge = next(iter(ids[WINDOW - 1 : WINDOW]), None)
            if edge:
                tasks = tasks.filter(id__gte=edge)
        tasks = self._narrow(tasks, searches).only(*TaskSummary().fields)
        rows = list(tasks[: limit + 1])
        if len(rows) > limit:
            return rows[:limit], rows[limit - 1].id
        return rows, edge

    def _narrow(self, tasks: TaskQuerySet, names: Iterable[str]) -> TaskQuerySet:
        for name in names:
            tasks = self.filters[name].filter(tasks, self.form.cleaned_data[name])
        return tasks

    def in_states(self, tasks: TaskQuerySet, _: str, states: list[str]) -> TaskQuerySet:
        return tasks.in_state(*map(State, states))

    def since(self, tasks: TaskQuerySet, _: str, at: datetime) -> TaskQuerySet:
        return tasks.filter(enqueued_at__gte=at, id__gte=first_id(at - SKEW))

    def until(self, tasks: TaskQuerySet, _: str, at: datetime) -> TaskQuerySet:
        return tasks.filter(enqueued_at__lt=at, id__lt=first_id(at + SKEW))

    def named(self, tasks: TaskQuerySet, _: str, name: str) -> TaskQuerySet:
        if name.endswith("*"):
            return tasks.filter(name__startswith=name[:-1])
        return tasks.filter(name=name)

    def claimed_by(self, tasks: TaskQuerySet, _: str, worker: UUID) -> TaskQuerySet:
        return tasks.filter(worker_ids__contains=[worker])


def cursor(id: UUID) -> str:
    return urlsafe_b64encode(id.bytes).decode().rstrip("=")
