"""Whether the live system is as it should be: the engine's invariants in its rows, storage, server, workers and queues.

Reads only, in transactions of a check each; what a check may take is bounded, in rows or by a timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, transaction
from psycopg.errors import InsufficientPrivilege, QueryCanceled

from tasks_app.doctor import flow, invariants, server, storage
from tasks_app.doctor.finding import Extent, Finding, Findings, Level, judge
from tasks_app.queue import statements

__all__ = ["Finding", "Level", "examine"]

QUICK = Extent(rows=100_000, ids=10_000, is_deep=False)
DEEP = Extent(rows=None, ids=1_000_000, is_deep=True)
TIMEOUT = {False: 10, True: 600}
"""Seconds that a statement may take, by whether the look is deep."""

CHECKS: dict[str, Callable[[Extent], Findings]] = {
    "server": server.settings,
    "migrations": server.migrations,
    "clock": server.clock,
    "notifications": server.notifications,
    "oldest transaction": server.oldest_transaction,
    "live tasks": invariants.rows,
    "identity": invariants.identity,
    "running tasks": invariants.running,
    "unique keys": invariants.keys,
    "statistics": invariants.statistics,
    "live table": storage.live_table,
    "indexes": storage.indexes,
    "history": storage.days,
    "analyze": storage.analyzed,
    "workers": flow.workers,
    "upkeep": flow.upkeep,
    "queues": flow.queues,
    "gated tasks": flow.gated,
}
ESSENTIAL = {"server", "migrations"}
"""Nothing else can be looked at while one of them finds a problem."""


def examine(*, deep: bool = False) -> Findings:
    """What each check says, as soon as it is known; at least one finding of each. `deep`: look at all rows, and at many more ids."""
    extent = DEEP if deep else QUICK
    for name, check in CHECKS.items():
        findings = _run(name, check, extent)
        yield from findings
        if name in ESSENTIAL and any(finding.level is Level.PROBLEM for finding in findings):
            return


def _run(name: str, check: Callable[[Extent], Findings], extent: Extent) -> list[Finding]:
    try:
        with _reading(TIMEOUT[extent.is_deep]):
            return list(check(extent))
    except ImproperlyConfigured as error:
        remedy = "correct the setting: docs/settings.md"
        return [judge(name, str(error), None, "the settings are valid", remedy, problem=True)]
    except (DatabaseError, InterfaceError) as error:
        return [_not_known(name, error)]


def _not_known(name: str, error: Exception) -> Finding:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    match error.__cause__:
        case InsufficientPrivilege():
            remedy = "run it with a role that may read this: the owner of the tables, or one with pg_monitor"
        case QueryCanceled():
            remedy = "run it again when there is less to do, or with --deep, which has more time"
        case _:
            remedy = "look at the connection and at the server's log"
    problem = name in ESSENTIAL
    found = f"not known: {said}"
    return judge(name, found, None, "the check can be made", remedy, warning=True, problem=problem)


@contextmanager
def _reading(seconds: int) -> Iterator[None]:
    wrapper = statements.connection()
    with transaction.atomic(using=wrapper.alias), wrapper.cursor() as cursor:
        cursor.execute(
            f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{seconds}s';"
            " SET LOCAL lock_timeout = '2s'; SET LOCAL jit = off"
        )
        yield
