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
PREPARE_AFTER = 2
"""Runs of a statement on one connection after which PostgreSQL keeps its plan."""


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the database that holds the queue."""
    return connections[conf.settings().DATABASE]


@cache
def text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text()


def run(name: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Rows that the statement returns; in autocommit mode it is a transaction of its own.

    Parameters are bound by the server, and the statement is prepared, unlike with Django's own cursors: planning costs
    more than running it. Not where Django is told that a pooler stands between (DISABLE_SERVER_SIDE_CURSORS): a
    prepared statement would be another session's.
    """
    wrapper = connection()
    if wrapper.connection is None:
        wrapper.ensure_connection()
    cursor = _cursor(wrapper)
    if wrapper.queries_logged or wrapper.execute_wrappers:
        cursor = wrapper._prepare_cursor(cursor)  # type: ignore[attr-defined] # somebody watches Django's cursors
    with wrapper.wrap_database_errors:
        cursor.execute(text(name), parameters or {})
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return found


def _cursor(wrapper: BaseDatabaseWrapper) -> Any:
    """A cursor of this connection that binds on the server; kept with the connection, since making one takes longer
    than much of what is done with it."""
    raw: psycopg.Connection[Any] = wrapper.connection
    cursor = wrapper.__dict__.get("taskqueue_cursor")
    if cursor is None or cursor.connection is not raw:
        pooled = wrapper.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS", False)
        raw.prepare_threshold = None if pooled else PREPARE_AFTER
        cursor = wrapper.__dict__["taskqueue_cursor"] = psycopg.Cursor(raw)
    return cursor
