"""The least settings that django-ox's worker needs."""

from __future__ import annotations

from benchmarks.apps.django_tasks_db_settings import *  # noqa: F403

INSTALLED_APPS = ["django_ox", "benchmarks.apps"]
TASKS = {"default": {"BACKEND": "django_ox.backend.OxBackend", "QUEUES": []}}
