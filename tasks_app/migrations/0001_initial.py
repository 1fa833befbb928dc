"""Live tasks, history and the view that joins them (sql/0001_tasks.sql), and the tables beside them."""

from __future__ import annotations

from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(
            (Path(__file__).parent / "sql" / "0001_tasks.sql").read_text(),
            "DROP VIEW tq_task; DROP TABLE tq_task_history, tq_task_live; DROP SEQUENCE tq_position, tq_worker_serial",
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.TextField(help_text="Dotted path of the task's function.")),
                ("queue", models.TextField()),
                ("backend", models.TextField(help_text="Alias in the TASKS setting.")),
                ("priority", models.SmallIntegerField(help_text="-100 to 100, higher first.")),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("scheduled", "scheduled"),
                            ("blocked", "blocked"),
                            ("gated", "gated"),
                            ("ready", "ready"),
                            ("running", "running"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ]
                    ),
                ),
                ("reason", models.TextField(null=True)),
                ("args", models.JSONField()),
                ("kwargs", models.JSONField()),
                ("enqueued_at", models.DateTimeField()),
                ("run_at", models.DateTimeField(help_text="When it was or will be due.")),
                ("timeout", models.FloatField(help_text="Seconds an attempt may take.", null=True)),
                ("fence", models.BigIntegerField(help_text="Grows with every claim and rescue.")),
                (
                    "attempt",
                    models.IntegerField(
                        help_text="Number of the current or last attempt that counts."
                    ),
                ),
                ("max_attempts", models.IntegerField()),
                (
                    "crashes",
                    models.IntegerField(help_text="Proven deaths of the process that ran it."),
                ),
                (
                    "lease_losses",
                    models.IntegerField(help_text="Attempts lost with a worker that vanished."),
                ),
                ("worker_id", models.UUIDField(null=True)),
                (
                    "worker_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        help_text="One per claim, in order.",
                        size=None,
                    ),
                ),
                ("first_started_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("deadline_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "errors",
                    models.JSONField(help_text="One entry per failed attempt, oldest first."),
                ),
                ("result", models.JSONField(null=True)),
            ],
            options={
                "verbose_name": "task",
                "db_table": "tq_task",
                "permissions": [("enqueue_task", "Can enqueue tasks")],
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="Who uses it.", max_length=200)),
                ("prefix", models.CharField(editable=False, max_length=12, unique=True)),
                ("secret_hash", models.CharField(editable=False, max_length=64)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50), size=None
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "verbose_name": "API key",
                "db_table": "tq_api_key",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Queue",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("paused_by", models.TextField(blank=True, default="")),
                ("pause_reason", models.TextField(blank=True, default="")),
            ],
            options={
                "db_table": "tq_queue",
                "ordering": ["name"],
                "permissions": [("control_queue", "Can pause and resume queues")],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Statistic",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("queue", models.TextField()),
                ("name", models.TextField()),
                (
                    "outcome",
                    models.TextField(
                        help_text="State the attempt led to; retried, crashed or lost for those tried again."
                    ),
                ),
                ("wait_bucket", models.SmallIntegerField(help_text="From due to started.")),
                ("run_bucket", models.SmallIntegerField(help_text="From started to ended.")),
                ("count", models.IntegerField()),
            ],
            options={
                "db_table": "tq_statistic",
                "default_permissions": (),
                "indexes": [models.Index(fields=["at"], name="tq_statistic_at")],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "serial",
                    models.BigIntegerField(help_text="Key of its advisory lock.", unique=True),
                ),
                (
                    "direct",
                    models.BooleanField(
                        help_text="Holds its advisory lock on a direct connection."
                    ),
                ),
                ("name", models.TextField()),
                ("hostname", models.TextField()),
                ("pid", models.IntegerField()),
                (
                    "queues",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="Queues it was told to serve; empty: all.",
                        size=None,
                    ),
                ),
                (
                    "capabilities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="Names of the tasks it can run.",
                        size=None,
                    ),
                ),
                ("slots", models.IntegerField(help_text="Tasks it runs at once.")),
                (
                    "state",
                    models.TextField(
                        choices=[("alive", "Alive"), ("stopped", "Stopped"), ("dead", "Dead")]
                    ),
                ),
                (
                    "death",
                    models.TextField(
                        choices=[
                            ("crashed", "Crashed"),
                            ("silent", "Silent"),
                            ("lease-expired", "Lease Expired"),
                        ],
                        null=True,
                    ),
                ),
                (
                    "started",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        help_text="Tasks that were in its slots when it died, where its parent could tell.",
                        null=True,
                        size=None,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("beat_at", models.DateTimeField()),
                ("lease_expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "tq_worker",
                "ordering": ["-started_at"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "alive")),
                        fields=["id"],
                        name="tq_worker_alive",
                    )
                ],
            },
        ),
    ]
