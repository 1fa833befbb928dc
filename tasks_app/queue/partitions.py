"""The days of the history table: seven are kept ready, one that is missing is made when a finish meets it, and those
that are too old are dropped whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, transaction
from psycopg import sql
from psycopg.errors import CheckViolation

from tasks_app import conf
from tasks_app.queue import statements

log = logging.getLogger(__name__)

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
                date_trunc('day', tq_now() AT TIME ZONE 'UTC'),
                date_trunc('day', tq_now() AT TIME ZONE 'UTC') + %s * interval '1 day', interval '1 day') AS day
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


def drop_older_than(days: int) -> list[date]:
    """Drop the partitions of all days before the last `days`; those that were dropped.

    Detached concurrently, which takes no lock that a finish or a reader waits for; it cannot be in a transaction. One
    that was interrupted is brought to its end. Of two callers at once, one finds the other's work done.
    """
    dropped = []
    wrapper = statements.connection()
    for name, day, is_pending in _days(before=days):
        partition = sql.Identifier(name)
        how = sql.SQL("FINALIZE" if is_pending else "CONCURRENTLY")
        try:
            with wrapper.cursor() as cursor:
                if is_pending is not None:
                    cursor.execute(
                        sql.SQL("ALTER TABLE tq_task_history DETACH PARTITION {} {}").format(
                            partition, how
                        )
                    )
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(partition))
        except DatabaseError as error:
            log.info("history of %s is not dropped yet: %s", day, str(error).strip())
        else:
            dropped.append(day)
    return dropped


def _days(before: int) -> list[tuple[str, date, bool | None]]:
    """Partitions older than so many days: name, day, whether a detach is pending (None: it is detached already)."""
    with statements.connection().cursor() as cursor:
        cursor.execute(
            r"""
            SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD'), i.inhdetachpending
            FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
            WHERE c.relname ~ '^tq_task_history_\d{8}$' AND c.relkind = 'r' AND pg_table_is_visible(c.oid)
              AND to_date(right(c.relname, 8), 'YYYYMMDD') < (tq_now() AT TIME ZONE 'UTC')::date - %s
            ORDER BY 2
            """,
            [before],
        )
        found: list[tuple[str, date, bool | None]] = cursor.fetchall()
        return found
