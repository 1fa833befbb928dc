"""How the console shows this app's nouns; analytics_app.site registers these classes.

Tasks and workers are read-only; queues change by the verbs of `tasks_app.queue`, keys by issuing and revoking.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from tasks_app import backlog, conf, queue, registry, wording
from tasks_app.engine.states import LIVE, State
from tasks_app.models import ApiKey, Queue, Task, Worker
from tasks_app.models.api_key import SCOPES

if TYPE_CHECKING:
    _TaskBase = admin.ModelAdmin[Task]
    _WorkerBase = admin.ModelAdmin[Worker]
    _QueueBase = admin.ModelAdmin[Queue]
    _ApiKeyBase = admin.ModelAdmin[ApiKey]
else:
    _TaskBase = _WorkerBase = _QueueBase = _ApiKeyBase = admin.ModelAdmin

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
CONTROL = "tasks_app.control_queue"
STATES = [s for s in State if s != State.BLOCKED]  # nothing blocks tasks yet


class ReadOnly:
    """Nobody adds, changes or deletes by hand, not even a superuser."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# Tasks.


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
            before=_uuid(text("before")),
            after=_uuid(text("after")),
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


def _uuid(text: str) -> UUID | None:
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
    """Those that failed, as they were recorded, and the one that runs or succeeded."""
    rows = [_failed(entry) for entry in task.errors]
    if task.state in (State.RUNNING, State.SUCCEEDED):
        worker = str(task.worker_ids[-1]) if task.worker_ids else ""
        took = wording.progress(task, now)
        times = (task.started_at, task.finished_at)
        rows.append(Attempt(task.attempt, task.state, "", "", worker, *times, took))
    return rows


def _failed(entry: dict[str, Any]) -> Attempt:
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
        whole_id = _uuid(wanted.q)
        if whole_id and tasks.filter(id=whole_id).exists():
            return redirect("admin:tasks_app_task_change", whole_id)
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
        id = _uuid(unquote(object_id))
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
    recorded = [_uuid(str(entry.get("worker"))) for entry in task.errors]
    return [id for id in [*task.worker_ids[-1:], *recorded] if id]


# Workers.


class WorkerChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        self.rows = [(worker, _since(worker.beat_at, now)) for worker in self.result_list]


def _since(time: datetime, now: datetime) -> str:
    return wording.duration((now - time).total_seconds())


class WorkerAdmin(ReadOnly, _WorkerBase):
    list_display = ("name", "hostname", "pid", "state", "started_at")
    list_filter = ("state",)
    search_fields = ("name", "hostname")
    list_per_page = 100
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        running = (
            Task.objects.in_state(State.RUNNING)
            .filter(worker_id=OuterRef("pk"))
            .order_by()
            .values("worker_id")
            .annotate(n=Count("*"))
            .values("n")
        )
        workers = super().get_queryset(request).using(conf.settings().DATABASE)
        return workers.annotate(running=Coalesce(Subquery(running), 0))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WorkerChangeList

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        id = _uuid(unquote(object_id))
        worker = self.get_queryset(request).filter(id=id).first() if id else None
        if worker is None:
            raise Http404(f"There is no worker {object_id}.")
        now = timezone.now()
        running = (
            Task.objects.using(conf.settings().DATABASE)
            .in_state(State.RUNNING)
            .filter(worker_id=worker.id)
            .order_by("started_at")
            .only(*LISTED)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": worker.name,
            "opts": self.opts,
            "worker": worker,
            "heard": _since(worker.beat_at, now),
            "rows": [(task, wording.progress(task, now)) for task in running[:500]],
        }
        return TemplateResponse(request, "admin/tasks_app/worker/change_form.html", context)


# Queues.


class QueueActionForm(ActionForm):
    reason = forms.CharField(
        required=False,
        max_length=500,
        label="Reason",
        widget=forms.TextInput(attrs={"placeholder": "why pause? (shown to everybody)"}),
    )


class QueueChangeList(ChangeList):
    """Django's, with the state of the queues on this page read by one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        queues = backlog.read([queue.pk for queue in self.result_list])
        self.rows = backlog.table(queues)
        self.may_control = request.user.has_perm(CONTROL)


class QueueAdmin(ReadOnly, _QueueBase):
    list_display = ("name",)
    search_fields = ("name",)
    list_per_page = 100
    show_full_result_count = False
    action_form = QueueActionForm
    actions = ("pause_selected", "resume_selected")

    def has_control_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(CONTROL))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        return super().get_queryset(request).using(conf.settings().DATABASE)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QueueChangeList

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("pause/", view(self.pause_view), name="tasks_app_queue_pause"),
            path("resume/", view(self.resume_view), name="tasks_app_queue_resume"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = backlog.read([unquote(object_id).replace("\0", "")])
        if not now:
            raise Http404(f"There is no queue {object_id}.")
        context = {
            **self.admin_site.each_context(request),
            "title": now[0].name,
            "opts": self.opts,
            "row": backlog.table(now)[0],
            "may_control": self.has_control_permission(request),
        }
        return TemplateResponse(request, "admin/tasks_app/queue/change_form.html", context)

    @method_decorator(require_POST)
    def pause_view(self, request: HttpRequest) -> HttpResponse:
        name = self._posted(request)
        self._pause(request, name)
        messages.success(request, f"Queue {name} is paused: no worker claims from it.")
        return self._back(request)

    @method_decorator(require_POST)
    def resume_view(self, request: HttpRequest) -> HttpResponse:
        name = self._posted(request)
        self._resume(request, name)
        messages.success(request, f"Queue {name} runs again.")
        return self._back(request)

    @admin.action(description="Pause", permissions=["control"])
    def pause_selected(self, request: HttpRequest, queues: QuerySet[Queue]) -> None:
        names = [q.name for q in queues]
        for name in names:
            self._pause(request, name)
        messages.success(request, f"Paused: {', '.join(names)}.")

    @admin.action(description="Resume", permissions=["control"])
    def resume_selected(self, request: HttpRequest, queues: QuerySet[Queue]) -> None:
        names = [q.name for q in queues]
        for name in names:
            self._resume(request, name)
        messages.success(request, f"Running again: {', '.join(names)}.")

    def _posted(self, request: HttpRequest) -> str:
        """Name of the queue to control. Only those that exist: pausing makes a queue that does not."""
        if not self.has_control_permission(request):
            raise PermissionDenied
        name = request.POST.get("queue", "").replace("\0", "")
        if not self.get_queryset(request).filter(pk=name).exists():
            raise Http404(f"There is no queue {name}.")
        return name

    def _pause(self, request: HttpRequest, name: str) -> None:
        reason = request.POST.get("reason", "").replace("\0", "").strip()[:500]
        queue.pause(name, by=request.user.get_username(), reason=reason)
        self.log_change(
            request,
            Queue(name=name),
            f"Paused: {reason}" if reason else "Paused, without a reason.",
        )

    def _resume(self, request: HttpRequest, name: str) -> None:
        queue.resume(name)
        self.log_change(request, Queue(name=name), "Resumed.")

    def _back(self, request: HttpRequest) -> HttpResponseRedirect:
        target = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(
            target, {request.get_host()}, require_https=request.is_secure()
        ):
            target = reverse("admin:tasks_app_queue_changelist")
        return HttpResponseRedirect(target)


# API keys.


class ApiKeyForm(forms.Form):
    LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}

    name = forms.CharField(max_length=200, help_text="Who uses it, for example “billing service”.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="What it may do.",
    )
    lifetime = forms.ChoiceField(
        choices=list(LIFETIMES.items()), required=False, initial="90", label="Valid for"
    )

    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["lifetime"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class ApiKeyAdmin(ReadOnly, _ApiKeyBase):
    list_display = ("name", "key", "can", "status", "created_at", "expires_at", "last_used_at")
    search_fields = ("name", "prefix")
    fields = readonly_fields = (
        *("name", "key", "can", "status"),
        *("created_at", "expires_at", "revoked_at", "last_used_at"),
    )
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).using(conf.settings().DATABASE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tasks_app.add_apikey"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tasks_app.change_apikey"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_revoke_permission(request)

    @admin.display(description="Begins with", ordering="prefix")
    def key(self, key: ApiKey) -> str:
        return f"tq_{key.prefix}_…"

    @admin.display(description="Scopes")
    def can(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="State")
    def status(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        if key.expires_at and key.expires_at <= timezone.now():
            return "expired"
        return "valid"

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The key is in the answer to this POST and nowhere else: not in a session, a message or a log."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ApiKeyForm(request.POST or None)
        context = {
            **self.admin_site.each_context(request),
            "title": "Issue an API key",
            "opts": self.opts,
            "form": form,
        }
        if request.method == "POST" and form.is_valid():
            key, text = ApiKey.objects.db_manager(conf.settings().DATABASE).issue(
                form.cleaned_data["name"], form.cleaned_data["scopes"], form.expires_at()
            )
            self.log_addition(request, key, f"Issued: {', '.join(key.scopes)}.")
            context |= {"title": "API key issued", "key": key, "text": text}
            return TemplateResponse(request, "admin/tasks_app/apikey/issued.html", context)
        return TemplateResponse(request, "admin/tasks_app/apikey/add.html", context)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> HttpResponse | None:
        keys = keys.filter(revoked_at=None)
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": "Revoke API keys",
                "opts": self.opts,
                "keys": keys,
            }
            return TemplateResponse(request, "admin/tasks_app/apikey/revoke.html", context)
        revoked = list(keys)
        keys.update(revoked_at=timezone.now())
        for key in revoked:
            self.log_change(request, key, "Revoked.")
        messages.success(request, f"Revoked: {', '.join(map(str, revoked)) or 'nothing'}.")
        return None
