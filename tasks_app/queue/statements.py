"""Runs the named .sql files beside this module: one verb each, on the database alias of the queue."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from tasks_app import conf

T = TypeVar("T")

FOLDER = Path(__file__).parent / "sql"
PREPARE_AFTER = 1_000_000
"""Runs after which psycopg prepares unasked: never. None would forbid it even when asked."""
TRIES = 5
"""How often a statement is run that PostgreSQL rolled back for another's sake."""
PAUSE = 0.02
"""Seconds after the first of them, of which a random part is waited; doubled each time."""

NOT_PREPARED = b"26000"

IN_CALLERS_TRANSACTION = {
    *("enqueue", "take_keys", "free_keys", "holders", "replace"),
}
"""Statements that are part of what the caller does: at its isolation, and rolled back with it."""
HOT = {"claim", "finish"}
"""Statements that are prepared on the queue's own connections, where planning is told to walk indexes."""

# A lock that an operator or a migration holds makes a verb fail and be tried later, instead of piling up workers.
LIMITS = """
SET {scope} lock_timeout = '5s';
SET {scope} statement_timeout = '30s';
SET {scope} idle_in_transaction_session_timeout = '60s';
"""
# A kept plan must not be that for an empty table; the just-in-time compiler takes forbidden plans for costly ones.
PLANS = """
SET default_transaction_isolation = 'read committed';
SET enable_seqscan = off;
SET plan_cache_mode = force_generic_plan;
SET jit = off;
"""
OWN_SESSION = LIMITS.format(scope="SESSION") + PLANS
OWN_TRANSACTION = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;" + LIMITS.format(scope="LOCAL")


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the database that holds the queue."""
    return connections[conf.settings().DATABASE]


def is_pooled(wrapper: BaseDatabaseWrapper | None = None) -> bool:
    """Whether this thread's session, or that of `wrapper`, is another's too."""
    return conf.is_pooled((wrapper or connection()).settings_dict)


def dedicate() -> None:
    """This thread runs nothing but the queue's verbs: let its connection, and those that follow, be set up for them.

    Not behind a pooler, where settings of a session would be another's.
    """
    wrapper = connection()
    if not is_pooled(wrapper):
        wrapper.__dict__["taskqueue_own"] = True


@cache
def text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text()


def run(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    on: BaseDatabaseWrapper | None = None,
) -> list[tuple[Any, ...]]:
    """Rows that the statement returns, on this thread's connection (`on`, if it is at hand).

    Outside a transaction of the caller's it is one of its own: READ COMMITTED, whatever the role's default is, with
    timeouts, and run again if PostgreSQL ended it for a deadlock's or a conflict's sake. Parameters are bound by the
    server, unlike with Django's own cursors.
    """
    wrapper = on or connection()
    if wrapper.connection is None:
        wrapper.ensure_connection()
    if wrapper.in_atomic_block or name in IN_CALLERS_TRANSACTION:
        return _execute(wrapper, name, parameters)
    if "taskqueue_own" in wrapper.__dict__:
        return _again(lambda: _execute(wrapper, name, parameters))
    return in_transaction(lambda: _execute(wrapper, name, parameters))


def in_transaction(work: Callable[[], T]) -> T:
    """What `work` returns, run in one transaction as `run` makes it, or in that of the caller if there is one."""
    wrapper = connection()
    if wrapper.in_atomic_block:
        return work()
    wrapper.ensure_connection()
    _cursor(wrapper)  # sets a connection of the queue's own up, before the transaction begins

    def once() -> T:
        with transaction.atomic(using=wrapper.alias):
            if "taskqueue_own" not in wrapper.__dict__:
                with wrapper.cursor() as cursor:
                    cursor.execute(OWN_TRANSACTION)
            return work()

    return _again(once)


def _again(work: Callable[[], T]) -> T:
    pause = PAUSE
    for tries_left in reversed(range(TRIES)):
        try:
            return work()
        except OperationalError as error:
            conflict = isinstance(error.__cause__, DeadlockDetected | SerializationFailure)
            if not conflict or not tries_left:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause *= 2
    raise AssertionError("unreachable")


def _execute(
    wrapper: BaseDatabaseWrapper, name: str, parameters: Mapping[str, Any] | None
) -> list[tuple[Any, ...]]:
    cursor = _cursor(wrapper)
    # An INSERT has one plan, whatever the tables hold.
    prepare = name == "enqueue" or (name in HOT and "taskqueue_own" in wrapper.__dict__)
    options: dict[str, Any] = {"prepare": prepare}
    if wrapper.queries_logged or wrapper.execute_wrappers:
        # Somebody watches Django's cursors, which know no such option.
        cursor, options = wrapper._prepare_cursor(cursor), {}  # type: ignore[attr-defined]
    with wrapper.wrap_database_errors:
        cursor.execute(text(name), parameters or {}, **options)
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return found


def insert(name: str, values: Sequence[str | None], *, on: BaseDatabaseWrapper) -> None:
    """Run an INSERT of one row, with values as PostgreSQL reads them, in the caller's transaction if there is one.

    Alone in its transaction it is run by libpq itself: psycopg's way takes a sixth of what that takes in all.
    """
    if on.connection is None:
        on.ensure_connection()
    raw: psycopg.Connection[Any] = on.connection
    watched = on.queries_logged or on.execute_wrappers
    with on.wrap_database_errors:
        if watched or not raw.autocommit or is_pooled(on):
            cursor: Any = psycopg.RawCursor(raw)
            if watched:
                cursor = on._prepare_cursor(cursor)  # type: ignore[attr-defined]
            cursor.execute(text(name), values)
            return
        statement = f"tq_{name}".encode()
        encoded: Any = [None if value is None else value.encode() for value in values]
        result = raw.pgconn.exec_prepared(statement, encoded)
        if result.error_field(DiagnosticField.SQLSTATE) == NOT_PREPARED:
            # Not yet on this connection, or psycopg has let go of all it had prepared, as it does after a rollback.
            _check(raw, raw.pgconn.prepare(statement, text(name).encode()))
            result = raw.pgconn.exec_prepared(statement, encoded)
        _check(raw, result)


def _check(raw: psycopg.Connection[Any], result: PGresult) -> None:
    if result.status == ExecStatus.COMMAND_OK:
        return
    if raw.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(raw.pgconn.get_error_message())
    raise psycopg.errors.error_from_result(result)


def copy(name: str, rows: str, *, on: BaseDatabaseWrapper) -> None:
    """Run a COPY … FROM STDIN with rows in PostgreSQL's text format."""
    with on.wrap_database_errors, _cursor(on).copy(text(name)) as target:
        target.write(rows)


def _cursor(wrapper: BaseDatabaseWrapper) -> Any:
    """A cursor that binds on the server; kept with its connection, since it takes long to make beside a short INSERT."""
    raw: psycopg.Connection[Any] = wrapper.connection
    cursor = wrapper.__dict__.get("taskqueue_cursor")
    if cursor is None or cursor.connection is not raw:
        if not is_pooled(wrapper):
            # Django turns preparing off. It stays off behind a pooler, where a statement would be another session's.
            raw.prepare_threshold = PREPARE_AFTER
        if "taskqueue_own" in wrapper.__dict__:
            raw.execute(OWN_SESSION)
        cursor = wrapper.__dict__["taskqueue_cursor"] = psycopg.Cursor(raw)
    return cursor
