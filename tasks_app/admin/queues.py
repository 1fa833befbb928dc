"""The pages of queues: what waits in them, and pause and resume by the verbs of `tasks_app.queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from tasks_app import backlog, conf, queue
from tasks_app.admin.read_only import ReadOnly
from tasks_app.models import Queue

if TYPE_CHECKING:
    _QueueBase = admin.ModelAdmin[Queue]
else:
    _QueueBase = admin.ModelAdmin

CONTROL = "tasks_app.control_queue"


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
        queue.resume(name, by=request.user.get_username())
        self.log_change(request, Queue(name=name), "Resumed.")

    def _back(self, request: HttpRequest) -> HttpResponseRedirect:
        target = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(
            target, {request.get_host()}, require_https=request.is_secure()
        ):
            target = reverse("admin:tasks_app_queue_changelist", current_app=self.admin_site.name)
        return HttpResponseRedirect(target)
