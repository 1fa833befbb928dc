"""Runs the named .sql files beside this module: one verb each, on the database alias of the queue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app import conf

FOLDER = Path(__file__).parent / "sql"
PREPARE_AFTER = 1_000_000
"""Runs after which psycopg prepares unasked: never. None would forbid it even when asked."""


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the database that holds the queue."""
    return connections[conf.settings().DATABASE]


def is_pooled() -> bool:
    """Whether Django was told that a pooler in transaction mode stands before the database."""
    return bool(connection().settings_dict.get("DISABLE_SERVER_SIDE_CURSORS", False))


@cache
def text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text()


def run(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    prepare: bool = False,
    on: BaseDatabaseWrapper | None = None,
) -> list[tuple[Any, ...]]:
    """Rows that the statement returns, on this thread's connection (`on`, if it is at hand); in autocommit mode it is a transaction of its own.

    Parameters are bound by the server, unlike with Django's own cursors. With `prepare` the plan is kept too: only for
    statements that have just one. That of a claim depends on how many tasks there are now, and a kept one would be the
    plan for an empty table when a million tasks arrive.
    """
    wrapper = on or connection()
    if wrapper.connection is None:
        wrapper.ensure_connection()
    cursor = _cursor(wrapper)
    options: dict[str, Any] = {"prepare": prepare}
    if wrapper.queries_logged or wrapper.execute_wrappers:
        # Somebody watches Django's cursors, which know no such option.
        cursor, options = wrapper._prepare_cursor(cursor), {}  # type: ignore[attr-defined]
    with wrapper.wrap_database_errors:
        cursor.execute(text(name), parameters or {}, **options)
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return found


def _cursor(wrapper: BaseDatabaseWrapper) -> Any:
    """A cursor that binds on the server; kept with its connection, since it takes long to make beside a short INSERT."""
    raw: psycopg.Connection[Any] = wrapper.connection
    cursor = wrapper.__dict__.get("taskqueue_cursor")
    if cursor is None or cursor.connection is not raw:
        if not is_pooled():
            # Django turns preparing off. It stays off behind a pooler, where a statement would be another session's.
            raw.prepare_threshold = PREPARE_AFTER
        cursor = wrapper.__dict__["taskqueue_cursor"] = psycopg.Cursor(raw)
    return cursor
