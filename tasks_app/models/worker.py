"""Worker: one incarnation of a process that claims tasks."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> WorkerQuerySet:
        return self.filter(state=Worker.State.ALIVE)


class Worker(models.Model):
    """Written by the verbs of `tasks_app.queue` only. An id that was declared dead never lives again."""

    class State(models.TextChoices):
        ALIVE = "alive"
        STOPPED = "stopped"
        """Ended in order."""
        DEAD = "dead"
        """Declared dead; `death` says on what evidence."""

    class Death(models.TextChoices):
        CRASHED = "crashed"
        """Its process died: seen by its parent, or its lock was free while its beats had ceased."""
        SILENT = "silent"
        """Its lock was free and its beats had ceased, but nobody could see whether the server had just recovered."""
        LEASE_EXPIRED = "lease-expired"
        """Not heard of for a whole lease; it may still run somewhere."""

    id = models.UUIDField(primary_key=True)
    serial = models.BigIntegerField(unique=True, help_text="Key of its advisory lock.")
    direct = models.BooleanField(help_text="Holds its advisory lock on a direct connection.")
    name = models.TextField()
    hostname = models.TextField()
    pid = models.IntegerField()
    queues = ArrayField(models.TextField(), help_text="Queues it was told to serve; empty: all.")
    capabilities = ArrayField(models.TextField(), help_text="Names of the tasks it can run.")
    slots = models.IntegerField(help_text="Tasks it runs at once.")
    state = models.TextField(choices=State.choices)
    death = models.TextField(choices=Death.choices, null=True)
    started = ArrayField(
        models.UUIDField(),
        null=True,
        help_text="Tasks that were in its slots when it died, where its parent could tell.",
    )
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    lease_expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        db_table = "tq_worker"
        ordering = ["-started_at"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["id"], name="tq_worker_alive", condition=models.Q(state="alive")),
        ]

    def __str__(self) -> str:
        return self.name
