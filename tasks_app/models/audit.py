"""Audit: what a person has done to tasks, queues and task names, and why."""

from __future__ import annotations

from django.db import models


class Audit(models.Model):
    """Written in the transaction that does what it tells of, and never changed."""

    at = models.DateTimeField()
    by = models.TextField()
    action = models.TextField()
    subject = models.TextField(help_text="`task …`, `12 tasks`, `queue …` or `name …`.")
    reason = models.TextField()
    detail = models.JSONField(help_text="The tasks it was about, and the values given.")

    class Meta:
        db_table = "tq_audit"
        ordering = ["-id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.by}: {self.action} {self.subject}"
