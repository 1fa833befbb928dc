"""The pages of workers: alive first, dead ones with what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from tasks_app import conf, wording
from tasks_app.admin.read_only import ReadOnly
from tasks_app.admin.tasks import LISTED, as_uuid
from tasks_app.engine.states import State
from tasks_app.models import Task, Worker

if TYPE_CHECKING:
    _WorkerBase = admin.ModelAdmin[Worker]
else:
    _WorkerBase = admin.ModelAdmin


class WorkerChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        self.rows = [(worker, _since(worker.beat_at, now)) for worker in self.result_list]
        shown = self.params.get("state__exact", "")
        self.tabs = [("all", self.get_query_string(remove=["state__exact"]), not shown)] + [
            (s.value, self.get_query_string({"state__exact": s.value}), shown == s.value)
            for s in Worker.State
        ]


def _since(time: datetime, now: datetime) -> str:
    return wording.duration((now - time).total_seconds())


class WorkerAdmin(ReadOnly, _WorkerBase):
    list_display = ("name", "hostname", "pid", "state", "started_at")
    list_filter = ("state",)
    search_fields = ("name", "hostname")
    list_per_page = 100
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

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
        id = as_uuid(unquote(object_id))
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
