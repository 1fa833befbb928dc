"""The project's URLs are those that any other project includes too."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("analytics_app.urls"))]
