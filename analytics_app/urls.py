"""Everything the queue shows: `path("", include("analytics_app.urls"))`."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

from analytics_app import health
from analytics_app.site import console

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:index", permanent=False)),
    path("admin/", RedirectView.as_view(pattern_name="console:index", permanent=False)),
    path("console/", console.urls),
    path("api/v1/", include("tasks_app.api.urls")),
    path("livez", health.livez),
    path("readyz", health.readyz),
]
