"""Runs the named .sql files beside this module: one verb each, on the database alias of the queue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from tasks_app import conf

FOLDER = Path(__file__).parent / "sql"


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the database that holds the queue."""
    return connections[conf.settings().DATABASE]


@cache
def text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text()


def run(name: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Rows that the statement returns; in autocommit mode it is a transaction of its own."""
    with connection().cursor() as cursor:
        cursor.execute(text(name), parameters or {})
        return rows(cursor)


def rows(cursor: CursorWrapper) -> list[tuple[Any, ...]]:
    return cursor.fetchall() if cursor.description else []
