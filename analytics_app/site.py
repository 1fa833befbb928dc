"""The console: the one AdminSite, at /console/, with every app's ModelAdmin classes."""

from __future__ import annotations

from django.contrib.admin import AdminSite


class ConsoleSite(AdminSite):
    site_header = "Task queue"
    site_title = "Task queue"
    index_title = "Console"


console = ConsoleSite()
