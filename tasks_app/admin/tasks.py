"""The pages of tasks: a list that pages by id and never counts, and one task with its attempts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from tasks_app import backlog, conf, registry, wording
from tasks_app.admin.read_only import ReadOnly
from tasks_app.engine.states import LIVE, State
from tasks_app.models import Queue, Task, Worker

if TYPE_CHECKING:
    _TaskBase = admin.ModelAdmin[Task]
else:
    _TaskBase = admin.ModelAdmin

PAGE = 50
WINDOW = 50_000
"""Tasks that one page looks through for a filter that no index serves."""
MAX_JSON = 100_000
"""Characters of arguments or of a result that a page shows."""
LISTED = (
    *("id", "name", "queue", "priority", "state", "reason", "attempt", "max_attempts"),
    *("enqueued_at", "run_at", "started_at", "finished_at"),
)
ID_PREFIX = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]){0,24}", re.IGNORECASE)
STATES = [s for s in State if s != State.BLOCKED]  # nothing blocks tasks yet


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a list of tasks shows, as its URL says; values that mean nothing are left out."""

    state: str = ""
    queue: str = ""
    name: str = ""
    q: str = ""
    before: UUID | None = None
    after: UUID | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> TaskFilter:
        def text(key: str) -> str:
            return request.GET.get(key, "").replace("\0", "").strip()

        state = text("state")
        return cls(
            state=state if state in list(State) else "",
            queue=text("queue"),
            name=text("name"),
            q=text("q"),
            before=as_uuid(text("before")),
            after=as_uuid(text("after")),
        )

    def url(self, **changes: object) -> str:
        values = {key: getattr(self, key) for key in ("state", "queue", "name", "q")} | changes
        return "?" + urlencode({key: value for key, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class TaskPage:
    tasks: list[Task]
    older: str = ""
    newer: str = ""
    searched: int = 0
    """Tasks looked through, if it was not worth while to look at all."""


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def read_page(tasks: QuerySet[Task], wanted: TaskFilter) -> TaskPage:
    """One page, newest first, at a bounded cost: it seeks by id and never counts.

    Filters without an index look at no more than WINDOW tasks of the state; the next page goes on from there.
    """
    up = wanted.after is not None
    order, end = ("id", "id__lte") if up else ("-id", "id__gte")
    found = tasks.filter(state=wanted.state) if wanted.state else tasks
    if wanted.after:
        found = found.filter(id__gt=wanted.after)
    elif wanted.before:
        found = found.filter(id__lt=wanted.before)
    edge = None
    narrow = wanted.name or wanted.q or (wanted.queue and wanted.state not in LIVE)
    if narrow:
        ids = found.order_by(order).values_list("id", flat=True)
        edge = next(iter(ids[WINDOW : WINDOW + 1]), None)
        if edge:
            found = found.filter(**{end: edge})
    rows = list(_narrowed(found, wanted).order_by(order).only(*LISTED)[: PAGE + 1])
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    following = rows[-1].id if more else edge
    if up:
        rows.reverse()
    first, last = (rows[0].id, rows[-1].id) if rows else (edge, edge)
    behind = wanted.before or wanted.after  # the page that the reader came from
    older = (last or behind) if up else following
    newer = following if up else ((first or behind) if behind else None)
    return TaskPage(
        tasks=rows,
        older=wanted.url(before=older) if older else "",
        newer=wanted.url(after=newer) if newer else "",
        searched=WINDOW if edge and not more else 0,
    )


def _narrowed(tasks: QuerySet[Task], wanted: TaskFilter) -> QuerySet[Task]:
    if wanted.queue:
        tasks = tasks.filter(queue=wanted.queue)
    if wanted.name:
        tasks = tasks.filter(name=wanted.name)
    if wanted.q and ID_PREFIX.fullmatch(wanted.q):
        digits = wanted.q.replace("-", "")
        tasks = tasks.filter(
            id__gte=UUID(digits.ljust(32, "0")), id__lte=UUID(digits.ljust(32, "f"))
        )
    elif wanted.q:
        tasks = tasks.filter(name__startswith=wanted.q)
    return tasks


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of a task's attempts; every text may be hostile."""

    number: object
    outcome: str
    message: str
    traceback: str
    worker_id: str
    started_at: datetime | None
    ended_at: datetime | None
    took: str


def attempts(task: Task, now: datetime) -> list[Attempt]:
    """Those that failed and what people did, as it was recorded, and the one that runs or succeeded."""
    rows = [_failed(entry) for entry in task.errors]
    if task.state in (State.RUNNING, State.SUCCEEDED):
        worker = str(task.worker_ids[-1]) if task.worker_ids else ""
        took = wording.progress(task, now)
        times = (task.started_at, task.finished_at)
        rows.append(Attempt(task.attempt, task.state, "", "", worker, *times, took))
    return rows


def _failed(entry: dict[str, Any]) -> Attempt:
    if "event" in entry:
        at = _time(entry.get("ended_at"))
        who = f"{entry['event']} by {entry.get('by', '')}"
        return Attempt("", who, str(entry.get("message") or ""), "", "", None, at, "")
    started, ended = _time(entry.get("started_at")), _time(entry.get("ended_at"))
    return Attempt(
        number=entry.get("attempt", ""),
        outcome=str(entry.get("exception_class") or "error"),
        message=str(entry.get("message") or ""),
        traceback=str(entry.get("traceback") or ""),
        worker_id=str(entry.get("worker") or ""),
        started_at=started,
        ended_at=ended,
        took=wording.duration((ended - started).total_seconds()) if started and ended else "",
    )


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def pretty(value: object) -> str:
    """JSON for reading, whole numbers exact, cut to MAX_JSON characters."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) <= MAX_JSON:
        return text
    return f"{text[:MAX_JSON]}\n… {len(text) - MAX_JSON:,} more characters"


class TaskAdmin(ReadOnly, _TaskBase):
    """Own pages instead of Django's change list, which counts."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).using(conf.settings().DATABASE)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = TaskFilter.of(request)
        tasks = self.get_queryset(request)
        whole_id = as_uuid(wanted.q)
        if whole_id and tasks.filter(id=whole_id).exists():
            return redirect(
                reverse(
                    "admin:tasks_app_task_change", args=[whole_id], current_app=self.admin_site.name
                )
            )
        now = timezone.now()
        page = read_page(tasks, wanted)
        queues = Queue.objects.using(conf.settings().DATABASE).values_list("name", flat=True)
        context = {
            **self.admin_site.each_context(request),
            "title": "Tasks",
            "opts": self.opts,
            "filter": wanted,
            "tabs": [("all", wanted.url(state=""), not wanted.state)]
            + [(s.value, wanted.url(state=s.value), wanted.state == s) for s in STATES],
            "queues": _with(queues[: backlog.MAX_QUEUES], wanted.queue),
            "names": _with(registry.names(), wanted.name),
            "page": page,
            "rows": [(task, wording.progress(task, now)) for task in page.tasks],
            "newest": wanted.url() if wanted.before or wanted.after else "",
        }
        return TemplateResponse(request, "admin/tasks_app/task/change_list.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        id = as_uuid(unquote(object_id))
        # One statement over the view: a task that ends meanwhile is seen either live or ended, never not at all.
        task = self.get_queryset(request).filter(id=id).first() if id else None
        if task is None:
            raise Http404(f"There is no task {object_id}.")
        database = conf.settings().DATABASE
        now = timezone.now()
        alive: list[Worker] = []
        if task.state == State.READY:
            alive = list(Worker.objects.using(database).alive().order_by("-started_at")[:1_000])
        workers = Worker.objects.using(database).in_bulk(_ids(task))
        names = {str(key): worker.name for key, worker in workers.items()}
        context = {
            **self.admin_site.each_context(request),
            "title": task.name,
            "opts": self.opts,
            "task": task,
            "why": wording.why(
                task, now, Queue.objects.using(database).filter(name=task.queue).first(), alive
            ),
            "attempts": [(a, names.get(a.worker_id, "")) for a in attempts(task, now)],
            "worker": workers.get(task.worker_id) if task.worker_id else None,
            "payload": [
                ("Arguments", pretty(task.args)),
                ("Keyword arguments", pretty(task.kwargs)),
                *([("Result", pretty(task.result))] if task.state == State.SUCCEEDED else []),
            ],
            "waited": wording.duration((task.first_started_at - task.run_at).total_seconds())
            if task.first_started_at and not task.errors
            else "",
        }
        return TemplateResponse(request, "admin/tasks_app/task/change_form.html", context)


def _with(names: Any, chosen: str) -> list[str]:
    known = list(names)
    return known if not chosen or chosen in known else sorted([*known, chosen])


def _ids(task: Task) -> list[UUID]:
    recorded = [as_uuid(str(entry.get("worker"))) for entry in task.errors]
    return [id for id in [*task.worker_ids[-1:], *recorded] if id]
