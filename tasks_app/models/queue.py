"""Queue: a name under which tasks wait, and what an operator has decided about it."""

from __future__ import annotations

from django.db import models


class QueueQuerySet(models.QuerySet["Queue"]):
    def paused(self) -> QueueQuerySet:
        return self.filter(paused_at__isnull=False)


class Queue(models.Model):
    """One row per queue seen so far. Paused: its ready tasks stay where they are and no worker claims them."""

    name = models.TextField(primary_key=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.TextField(blank=True, default="")
    pause_reason = models.TextField(blank=True, default="")

    objects = QueueQuerySet.as_manager()

    class Meta:
        db_table = "tq_queue"
        ordering = ["name"]
        permissions = [("control_queue", "Can pause and resume queues")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

    @property
    def paused(self) -> bool:
        return self.paused_at is not None
