"""The columns, tables and the clock that the whole engine needs (sql/0002_engine.sql), and the tables beside them."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tasks_app", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL((Path(__file__).parent / "sql" / "0002_engine.sql").read_text()),
        migrations.CreateModel(
            name="Audit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("by", models.TextField()),
                ("action", models.TextField()),
                (
                    "subject",
                    models.TextField(help_text="`task …`, `12 tasks`, `queue …` or `name …`."),
                ),
                ("reason", models.TextField()),
                (
                    "detail",
                    models.JSONField(help_text="The tasks it was about, and the values given."),
                ),
            ],
            options={
                "db_table": "tq_audit",
                "ordering": ["-id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="PausedName",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("paused_at", models.DateTimeField()),
                ("paused_by", models.TextField()),
                ("pause_reason", models.TextField()),
            ],
            options={
                "db_table": "tq_paused_name",
                "ordering": ["name"],
                "default_permissions": ("view",),
            },
        ),
        migrations.RemoveIndex(
            model_name="statistic",
            name="tq_statistic_at",
        ),
        migrations.AddField(
            model_name="statistic",
            name="seconds",
            field=models.SmallIntegerField(db_default=1, default=1, help_text="1, 60 or 3600."),
        ),
        migrations.AlterField(
            model_name="statistic",
            name="outcome",
            field=models.TextField(
                help_text="State the attempt led to; retried, snoozed, crashed or lost for those tried again; redriven-… and purged-… for ended tasks taken out of that state, purged for waiting ones."
            ),
        ),
        migrations.AddIndex(
            model_name="statistic",
            index=models.Index(fields=["seconds", "at"], name="tq_statistic_grain"),
        ),
    ]
