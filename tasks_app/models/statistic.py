"""Statistic: what was counted in one second, exactly, in the statements that ended the attempts."""

from __future__ import annotations

from django.db import models


class Statistic(models.Model):
    """`count` attempts of one task name in one queue that ended alike in the second `at`.

    Buckets are logarithmic: bucket b holds times in [1.2 ** (b - 1), 1.2 ** b) ms, bucket 0 those under 1 ms.
    """

    at = models.DateTimeField()
    queue = models.TextField()
    name = models.TextField()
    outcome = models.TextField(
        help_text="State the attempt led to; retried, crashed or lost for those tried again."
    )
    wait_bucket = models.SmallIntegerField(help_text="From due to started.")
    run_bucket = models.SmallIntegerField(help_text="From started to ended.")
    count = models.IntegerField()

    class Meta:
        db_table = "tq_statistic"
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="tq_statistic_at")]
