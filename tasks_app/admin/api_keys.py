"""The pages of API keys: a key is issued, shown once, and revoked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from tasks_app import conf
from tasks_app.admin.read_only import ReadOnly
from tasks_app.models import ApiKey
from tasks_app.models.api_key import SCOPES

if TYPE_CHECKING:
    _ApiKeyBase = admin.ModelAdmin[ApiKey]
else:
    _ApiKeyBase = admin.ModelAdmin


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
