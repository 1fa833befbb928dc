"""The API, version 1: `path("api/v1/", include("tasks_app.api.urls"))`."""

from __future__ import annotations

from django.apps import apps
from django.urls import URLPattern, path, re_path

from tasks_app.api.base import UnknownRoute
from tasks_app.api.docs import Page, Schema
from tasks_app.api.tasks import OneTask, Tasks

app_name = "tasks_api"
urlpatterns: list[URLPattern] = [
    path("tasks", Tasks.as_view(), name="tasks"),
    path("tasks/<str:id>", OneTask.as_view(), name="task"),
    path("schema", Schema.as_view(), name="schema"),
]
if apps.is_installed("drf_spectacular_sidecar"):
    urlpatterns.append(path("docs/", Page.as_view(), name="docs"))
urlpatterns.append(re_path("", UnknownRoute.as_view()))
