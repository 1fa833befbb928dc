from __future__ import annotations

from django.apps import AppConfig


class AnalyticsAppConfig(AppConfig):
    name = "analytics_app"
    verbose_name = "Analytics"
    default_auto_field = "django.db.models.BigAutoField"
