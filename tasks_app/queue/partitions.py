"""The days of the history table: seven are kept ready, and one that is missing is made when a finish meets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

from django.db import IntegrityError, transaction
from psycopg import sql
from psycopg.errors import CheckViolation

from tasks_app import conf
from tasks_app.queue import statements

DAYS_AHEAD = 7
_LOCK = 7_471_001

Answer = TypeVar("Answer")


def repeat_when_missing(statement: Callable[[], Answer]) -> Answer:
    """Run a statement that writes history; if it met a missing day, make that in its own transaction, and repeat."""
    try:
        return statement()
    except IntegrityError as error:
        cause = error.__cause__
        if not (isinstance(cause, CheckViolation) and "no partition" in str(cause)):
            raise
        ensure()
        return statement()


def ensure() -> list[date]:
    """Make the partitions of today (UTC, by the database's clock) and the next days; the days that were missing.

    Attaching takes no lock that a finish waits for; two callers at once are kept apart by an advisory lock.
    """
    alias = conf.settings().DATABASE
    with transaction.atomic(using=alias), statements.connection().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(
            """
            SELECT day::date FROM generate_series(
                date_trunc('day', now() AT TIME ZONE 'UTC'),
                date_trunc('day', now() AT TIME ZONE 'UTC') + %s * interval '1 day', interval '1 day') AS day
            WHERE to_regclass('tq_task_history_' || to_char(day, 'YYYYMMDD')) IS NULL
            """,
            [DAYS_AHEAD],
        )
        missing: list[date] = [day for (day,) in cursor.fetchall()]
        for day in missing:
            name = sql.Identifier(f"tq_task_history_{day:%Y%m%d}")
            bounds = [
                sql.Literal(f"{d.isoformat()} 00:00:00+00") for d in (day, day + timedelta(1))
            ]
            for command in (
                sql.SQL("CREATE TABLE {} (LIKE tq_task_history INCLUDING ALL)").format(name),
                sql.SQL(
                    "ALTER TABLE tq_task_history ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
                ).format(name, *bounds),
            ):
                cursor.execute(command)
    return missing
