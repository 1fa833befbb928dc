"""Unique keys: of all calls that share one, a single task is in the queue at a time. The table tq_unique decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app.exceptions import DuplicateTask
from tasks_app.queue import statements
from tasks_app.queue.spec import Spec

ROUNDS = 3
"""How often a key is tried whose holder lets go between two statements."""
LOCK_TIMEOUT = "5s"
"""How long another transaction that has taken a key, and not committed, is waited for."""


def take(specs: Sequence[Spec], wrapper: BaseDatabaseWrapper) -> dict[str, str]:
    """Take the keys of tasks that are about to be put in, within the transaction under way.

    Answers task → holder, for those whose key is held by another; a waiting one is replaced where that is asked for.
    Raises DuplicateTask where that is, and OperationalError if another transaction does not decide in LOCK_TIMEOUT.
    """
    first = {spec.unique.key: spec for spec in reversed(specs) if spec.unique}
    holders: dict[str, str] = {}
    with _lock_timeout(wrapper):
        for _ in range(ROUNDS):
            if not (missing := sorted(first.keys() - holders.keys())):
                break
            statements.run("free_keys", {"key": missing, "limit": len(missing)}, on=wrapper)
            claims = [(spec, spec.unique) for key in missing if (spec := first[key]).unique]
            columns = {
                "key": missing,
                "task_id": [spec.id for spec, _ in claims],
                "until": [unique.until for _, unique in claims],
                "period": [unique.period for _, unique in claims],
            }
            holders.update(statements.run("take_keys", columns, on=wrapper))
            holders.update(statements.run("holders", {"key": missing}, on=wrapper))
    if undecided := sorted(first.keys() - holders.keys()):
        raise OperationalError(f"unique keys changed hands too fast: {undecided[:3]}")
    others: dict[str, str] = {}
    for spec in specs:
        if spec.unique is None or (holder := holders[spec.unique.key]) == spec.id:
            continue
        if spec.unique.on_conflict == "raise":
            raise DuplicateTask(spec.unique.key, holder)
        if spec.unique.on_conflict == "replace":
            statements.run("replace", spec.columns() | {"holder": holder}, on=wrapper)
        others[spec.id] = holder
    return others


@contextmanager
def _lock_timeout(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """LOCK_TIMEOUT for what is run inside; then what the caller's transaction had before."""
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        yield
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
