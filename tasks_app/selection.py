"""Choosing tasks by what is known of them, at a bounded cost for each statement, whatever waits and whatever has ended."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import F, Func, Q, TextField

from tasks_app import conf
from tasks_app.engine.states import LIVE, TERMINAL, State
from tasks_app.models import Task
from tasks_app.models.task import TaskQuerySet
from tasks_app.queue import statements

WINDOW = 10_000
"""Tasks that one statement looks through."""
SEARCH = 1_000_000
"""Tasks that do not match after which looking ends, in each index that is walked."""
SKEW = timedelta(hours=1)
"""How far a task's id, made by its producer's clock, may be from the time that the database gave it."""

Row = tuple[Any, ...]


class ErrorClass(Func):
    """The class of a task's last error; null if no attempt has failed."""

    template = "(jsonb_path_query_array(%(expressions)s, '$[*] ? (!exists(@.event))') -> -1 ->> 'exception_class')"
    output_field = TextField()

    def __init__(self) -> None:
        super().__init__(F("errors"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Tasks in any of these states for which all else holds that is not None."""

    states: frozenset[State]
    queue: str | None = None
    name: str | None = None
    """Or its beginning, with a trailing `*`."""
    reason: str | None = None
    tag: str | None = None
    error: str | None = None
    """Class of the last error: dotted, or its last part."""
    finished_after: datetime | None = None
    """Then or later."""
    finished_before: datetime | None = None
    """Earlier."""
    enqueued_before: datetime | None = None

    def sources(self) -> list[TaskQuerySet]:
        """Tasks that an index leads to, among which those that match are: the live ones, and each terminal state.

        Only by itself a terminal state is looked for in its own index. Days of history are left out whole: within one,
        the time of ending is what a window looks through.
        """
        groups = [self.states & LIVE, *({state} for state in sorted(self.states & TERMINAL))]
        days = Q()
        if self.finished_after:
            days &= Q(finished_at__gte=_midnight(self.finished_after))
        if self.finished_before:
            days &= Q(finished_at__lt=_midnight(self.finished_before) + timedelta(days=1))
        # What had ended by then had been enqueued before.
        for at in (self.enqueued_before, self.finished_before):
            if at:
                days &= Q(id__lt=first_id(at + SKEW))
        tasks = Task.objects.using(conf.settings().DATABASE).filter(days)
        return [tasks.in_state(*group) for group in groups if group]

    def condition(self) -> Q:
        """What no index serves."""
        found = Q()
        equal = {"queue": self.queue, "reason": self.reason}
        for field, value in equal.items():
            if value is not None:
                found &= Q((field, value))
        if self.name is not None:
            found &= (
                Q(name__startswith=self.name[:-1]) if self.name.endswith("*") else Q(name=self.name)
            )
        if self.tag is not None:
            found &= Q(tags__contains=[self.tag])
        if self.error is not None:
            found &= Q(error_class=self.error) | Q(error_class__endswith=f".{self.error}")
        if self.finished_after:
            found &= Q(finished_at__gte=self.finished_after)
        if self.finished_before:
            found &= Q(finished_at__lt=self.finished_before)
        if self.enqueued_before:
            found &= Q(enqueued_at__lt=self.enqueued_before)
        return found


class Walk:
    """Columns of the tasks that match, their id first, in the order of ids: by keyset, a window at a time.

    Afterwards `more` says whether others match beyond the limit, and `gave_up` whether SEARCH ended it. Either way
    `cursor` is the id behind which the next walk goes on.
    """

    def __init__(
        self,
        selection: Selection,
        limit: int,
        *columns: str,
        newest_first: bool = False,
        cursor: UUID | None = None,
    ) -> None:
        self.more = False
        self.gave_up = False
        self.cursor = cursor
        self._selection = selection
        self._limit = limit
        self._columns = ("id", *columns)
        self._newest_first = newest_first
        self._behind, self._until, self._order = (
            ("id__lt", "id__gte", "-id") if newest_first else ("id__gt", "id__lte", "id")
        )

    def __iter__(self) -> Iterator[Row]:
        streams = [self._stream(source) for source in self._selection.sources()]
        rows = heapq.merge(*streams, key=itemgetter(0), reverse=self._newest_first)
        for row in islice(rows, self._limit):
            self.cursor = row[0]
            if len(row) > len(self._columns):
                self.gave_up = True
                return
            yield row
        self.more = next(rows, None) is not None

    def _stream(self, source: TaskQuerySet) -> Iterator[Row]:
        """Those of one source. Where it gives up is a row too, with a column more: what comes later was not looked for."""
        condition, size = self._selection.condition(), min(self._limit + 1, WINDOW)
        source = source.order_by(self._order).annotate(error_class=ErrorClass())
        at, missed = self.cursor, 0
        while True:
            tasks = source.filter((self._behind, at)) if at else source
            ids = tasks.values_list("id", flat=True)
            edge: UUID | None = next(iter(ids[WINDOW - 1 : WINDOW]), None)
            window = tasks.filter((self._until, edge)) if edge else tasks
            rows: list[Row] = list(window.filter(condition).values_list(*self._columns)[:size])
            yield from rows
            if len(rows) == size:
                at = rows[-1][0]
            elif edge is None:
                return
            else:
                at, missed = edge, missed + WINDOW - len(rows)
                if missed >= SEARCH:
                    yield (edge, *[None] * len(self._columns))
                    return


def now() -> datetime:
    """By the database's clock, as tasks' times are."""
    with statements.connection().cursor() as cursor:
        cursor.execute("SELECT tq_now()")
        found: datetime = cursor.fetchone()[0]
        return found


def first_id(at: datetime) -> UUID:
    """The least UUIDv7 of that millisecond."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
