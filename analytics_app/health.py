"""Probes: is this process alive, and can it serve?"""

from __future__ import annotations

from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from tasks_app import conf


def livez(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


class Migrations:
    """Whether every migration is applied: asked until it is so, since a running process gets no new ones."""

    applied = False

    @classmethod
    def are_applied(cls) -> bool:
        if not cls.applied:
            executor = MigrationExecutor(connections[conf.settings().DATABASE])
            cls.applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return cls.applied


def readyz(request: HttpRequest) -> JsonResponse:
    """503 unless the database answers and every migration is applied; Redis is not needed to be ready."""
    try:
        with connections[conf.settings().DATABASE].cursor() as cursor:
            cursor.execute("SELECT 1")
        applied = Migrations.are_applied()
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "down"}, status=503)
    if not applied:
        return JsonResponse({"status": "unavailable", "migrations": "pending"}, status=503)
    return JsonResponse({"status": "ok"})
