"""Unique keys: of all calls that share one, a single task is in the queue at a time. The table tq_unique decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app.exceptions import DuplicateTask
from tasks_app.queue import statements
from tasks_app.queue.spec import Spec

ROUNDS = 3
"""How often a key is tried whose holder lets go between two statements."""
LOCK_TIMEOUT = "5s"
"""How long another transaction that has taken a key, and not committed, is waited for."""


def take(specs: Sequence[Spec], wrapper: BaseDatabaseWrapper) -> tuple[list[Spec], dict[str, str]]:
    """Take the keys of tasks that are about to be put in, within the transaction under way.

    Answers the tasks to put in, and task → holder for the others, whose keys are held; waiting holders are replaced where
    that is asked for. Raises DuplicateTask where that is, and OperationalError if another transaction does not decide in
    LOCK_TIMEOUT.
    """
    first = {spec.unique.key: spec for spec in reversed(specs) if spec.unique}
    last = {spec.unique.key: spec for spec in specs if _replaces(spec) and spec.unique}
    holders: dict[str, str] = {}
    with _lock_timeout(wrapper):
        for _ in range(ROUNDS):
            missing = sorted(first.keys() - holders.keys())
            holders |= _take([first[key] for key in missing], wrapper)
            # By holder: callers that replace several never wait for each other.
            held = sorted((holders[key], key) for key in last if key in missing and key in holders)
            for holder, key in held:
                if holder != first[key].id and not _replace(holder, last[key], wrapper):
                    del holders[key]
            if not first.keys() - holders.keys():
                break
        else:
            undecided = sorted(first.keys() - holders.keys())
            raise OperationalError(f"unique keys changed hands too fast: {undecided[:3]}")
    new: list[Spec] = []
    others: dict[str, str] = {}
    for spec in specs:
        if spec.unique is None:
            new.append(spec)
        elif (holder := holders[spec.unique.key]) == spec.id:
            new.append(replace(last.get(spec.unique.key, spec), id=spec.id, unique=spec.unique))
        elif spec.unique.on_conflict == "raise":
            raise DuplicateTask(spec.unique.key, holder)
        else:
            others[spec.id] = holder
    return new, others


def _replaces(spec: Spec) -> bool:
    return spec.unique is not None and spec.unique.on_conflict == "replace"


def _take(specs: list[Spec], wrapper: BaseDatabaseWrapper) -> dict[str, str]:
    """Key → who holds it: these tasks, or others; a key that was let go just now may be missing."""
    keys = [(spec.id, spec.unique) for spec in specs if spec.unique]
    names = [unique.key for _, unique in keys]
    statements.run("free_keys", {"key": names, "limit": len(names)}, on=wrapper)
    columns = {
        "key": names,
        "task_id": [id for id, _ in keys],
        "until": [unique.until for _, unique in keys],
        "period": [unique.period for _, unique in keys],
    }
    taken = dict(statements.run("take_keys", columns, on=wrapper))
    return dict(statements.run("holders", {"key": names}, on=wrapper)) | taken


def _replace(holder: str, spec: Spec, wrapper: BaseDatabaseWrapper) -> bool:
    """Give the holder this call's arguments if it waits. False: it has let go of the key instead."""
    if statements.run("replace", spec.columns() | {"holder": holder}, on=wrapper):
        return True
    keys = [spec.unique.key] if spec.unique else []
    return [holder] == list(dict(statements.run("holders", {"key": keys}, on=wrapper)).values())


@contextmanager
def _lock_timeout(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """LOCK_TIMEOUT for what is run inside; then what the caller's transaction had before."""
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        yield
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
