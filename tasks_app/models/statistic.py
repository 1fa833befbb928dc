"""Statistic: what was counted, exactly, in the statements that ended attempts or wrote and removed ended tasks."""

from __future__ import annotations

from django.db import models


class Statistic(models.Model):
    """`count` attempts of one task name in one queue that ended alike in the `seconds` from `at` on.

    Counted by the second, and folded to minutes and hours as they grow old; several rows may say the same of one time,
    and are added up.

    Buckets are logarithmic: bucket b holds times in [1.2 ** (b - 1), 1.2 ** b) ms, bucket 0 those under 1 ms.
    """

    at = models.DateTimeField()
    seconds = models.SmallIntegerField(default=1, db_default=1, help_text="1, 60 or 3600.")
    queue = models.TextField()
    name = models.TextField()
    outcome = models.TextField(
        help_text=(
            "State the attempt led to; retried, snoozed, crashed or lost for those tried again;"
            " redriven-… and purged-… for ended tasks taken out of that state, purged for waiting ones."
        )
    )
    wait_bucket = models.SmallIntegerField(help_text="From due to started.")
    run_bucket = models.SmallIntegerField(help_text="From started to ended.")
    count = models.IntegerField()

    class Meta:
        db_table = "tq_statistic"
        default_permissions = ()
        indexes = [models.Index(fields=["seconds", "at"], name="tq_statistic_grain")]
