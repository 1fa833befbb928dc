"""The console: the one AdminSite, at /console/, with every app's ModelAdmin classes and the live home page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, get_script_prefix, path, reverse
from django.utils.cache import add_never_cache_headers

from analytics_app import queries
from tasks_app.admin import ApiKeyAdmin, QueueAdmin, TaskAdmin, WorkerAdmin
from tasks_app.models import ApiKey, Queue, Task, Worker

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{what}-src 'self'" for what in ("script", "style", "font", "connect")),
        "img-src 'self' data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
VIEW_TASKS = "tasks_app.view_task"

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def secure(response: HttpResponseBase) -> HttpResponseBase:
    """Headers that do not depend on the settings of the project around us."""
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    # With no-referrer, browsers send `Origin: null` with forms, which Django's CSRF check refuses.
    response["Referrer-Policy"] = "same-origin"
    add_never_cache_headers(response)
    return response


class ConsoleSite(AdminSite):
    site_header = "Task queue"
    site_title = "Task queue"
    index_title = "Pulse"
    index_template = "console/index.html"
    site_url = None
    enable_nav_sidebar = False

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def secured(*args: Any, **kwargs: Any) -> HttpResponseBase:
            return secure(inner(*args, **kwargs))

        return cast(View, secured)

    @login_not_required
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().login(request, extra_context)
        secure(response)
        return response

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            path("pulse.json", self.admin_view(self.pulse_json), name="pulse"),
            *super().get_urls(),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "sections": self._sections(request)}

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        context: dict[str, Any] = {}
        if request.user.has_perm(VIEW_TASKS):
            context = {
                # Read anew: the page may be the answer to a button that changed something.
                "pulse": queries.pulse.latest(max_age=0),
                "socket": f"{get_script_prefix()}ws/live",
                "may_control": request.user.has_perm("tasks_app.control_queue"),
            }
        return super().index(request, context | (extra_context or {}))

    def pulse_json(self, request: HttpRequest) -> JsonResponse:
        """The live frame, for browsers without a socket."""
        if not request.user.has_perm(VIEW_TASKS):
            raise PermissionDenied
        return JsonResponse(queries.pulse.latest())

    def _sections(self, request: HttpRequest) -> list[tuple[str, str, bool]]:
        """Label, URL and whether we are there, of the pages in the top bar that this user may see."""
        if not self.has_permission(request):
            return []
        home = reverse("admin:index", current_app=self.name)
        sections = [("Pulse", home, request.path == home)]
        for model, label in (
            (Task, "Tasks"),
            (Queue, "Queues"),
            (Worker, "Workers"),
            (ApiKey, "API keys"),
            (User, "Users"),
        ):
            model_admin = self._registry.get(model)
            if model_admin and model_admin.has_view_permission(request):
                name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
                url = reverse(name, current_app=self.name)
                sections.append((label, url, request.path.startswith(url)))
        return sections


console = ConsoleSite(name="console")
console.register(Task, TaskAdmin)
console.register(Queue, QueueAdmin)
console.register(Worker, WorkerAdmin)
console.register(ApiKey, ApiKeyAdmin)
if get_user_model() is User:  # a project with users of its own knows better how to show them
    console.register(User, UserAdmin)
console.register(Group, GroupAdmin)
