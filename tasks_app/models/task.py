"""Task: every task, live or ended, as readers see it."""

from __future__ import annotations

from typing import Any, NoReturn

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tasks_app.engine.states import TERMINAL, State


class TaskQuerySet(models.QuerySet["Task"]):
    def in_state(self, *states: State) -> TaskQuerySet:
        return self.filter(state__in=states)

    def finished(self) -> TaskQuerySet:
        return self.in_state(*TERMINAL)

    def newest_first(self) -> TaskQuerySet:
        """By id: UUIDv7 grows with the time of enqueueing."""
        return self.order_by("-id")


class Task(models.Model):
    """Read-only row of the view tq_task, which joins live tasks and history."""

    id = models.UUIDField(primary_key=True)
    name = models.TextField(help_text="Dotted path of the task's function.")
    queue = models.TextField()
    backend = models.TextField(help_text="Alias in the TASKS setting.")
    priority = models.SmallIntegerField(help_text="-100 to 100, higher first.")
    state = models.TextField(choices=[(state.value, state.value) for state in State])
    reason = models.TextField(null=True)
    args = models.JSONField()
    kwargs = models.JSONField()
    tags = ArrayField(models.TextField())
    metadata = models.JSONField()
    unique_key = models.TextField(null=True, help_text="Key that no other task might share.")
    enqueued_at = models.DateTimeField()
    run_at = models.DateTimeField(help_text="When it was or will be due.")
    expires_at = models.DateTimeField(null=True, help_text="It starts before that, or never.")
    timeout = models.FloatField(null=True, help_text="Seconds an attempt may take.")
    fence = models.BigIntegerField(help_text="Grows with every claim and rescue.")
    attempt = models.IntegerField(help_text="Number of the current or last attempt that counts.")
    max_attempts = models.IntegerField()
    crashes = models.IntegerField(help_text="Proven deaths of the process that ran it.")
    lease_losses = models.IntegerField(help_text="Attempts lost with a worker that vanished.")
    snoozes = models.IntegerField(help_text="Times it has asked to be run later.")
    worker_id = models.UUIDField(null=True)
    worker_ids = ArrayField(models.UUIDField(), help_text="One per claim, in order.")
    first_started_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    errors = models.JSONField(
        help_text="One entry per failed attempt, and per act of a person (with `event`), oldest first."
    )
    result = models.JSONField(null=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "tq_task"
        verbose_name = "task"
        permissions = [("enqueue_task", "Can enqueue tasks")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.name} {self.id}"

    def save(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("A task is changed only by the verbs of tasks_app.queue.")

    def delete(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("A task is changed only by the verbs of tasks_app.queue.")

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The entries of `errors` about attempts."""
        return [entry for entry in self.errors if "event" not in entry]

    @property
    def acts(self) -> list[dict[str, Any]]:
        """The entries of `errors` about what people did to the task."""
        return [entry for entry in self.errors if "event" in entry]
