"""PausedName: a task name of which nothing is started until it is resumed."""

from __future__ import annotations

from django.db import models


class PausedName(models.Model):
    name = models.TextField(primary_key=True)
    paused_at = models.DateTimeField()
    paused_by = models.TextField()
    pause_reason = models.TextField()

    class Meta:
        db_table = "tq_paused_name"
        ordering = ["name"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name
