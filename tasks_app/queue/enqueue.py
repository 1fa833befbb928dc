"""enqueue: an INSERT in the caller's own transaction, so that a task exists if and only if that commits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app import events
from tasks_app.queue import statements, unique
from tasks_app.queue.spec import PLAIN, Spec

COPY_FROM = 20
"""Tasks from which on COPY takes less than INSERT."""
COPY_CHUNK = 2_000

_plain = attrgetter(*PLAIN)


def enqueue(specs: Sequence[Spec]) -> list[UUID]:
    """Store the tasks, and wake workers once the surrounding transaction, if any, has committed.

    Answers one id each: of the new task, or of the one that holds its unique key. Raises DuplicateTask where a spec asks
    for that; then nothing is stored.
    """
    if not specs:
        return []
    wrapper = statements.connection()
    if any(spec.unique for spec in specs):
        with transaction.atomic(using=wrapper.alias):
            others = unique.take(specs, wrapper)
            _insert([spec for spec in specs if spec.id not in others], wrapper)
    else:
        others = {}
        _insert(specs, wrapper)
    events.wake({spec.queue for spec in specs}, within=wrapper)
    return [others.get(spec.id, spec.id) for spec in specs]


def _insert(specs: Sequence[Spec], wrapper: BaseDatabaseWrapper) -> None:
    if not specs:
        return
    plain = all(spec.is_plain for spec in specs)
    if plain and len(specs) == 1:
        values = dict(zip(PLAIN, _plain(specs[0]), strict=True))
        statements.run("enqueue_one", values, on=wrapper)
    elif len(specs) < COPY_FROM or not plain:
        rows = [spec.columns() for spec in specs]
        arrays = {name: [row[name] for row in rows] for name in rows[0]}
        statements.run("enqueue", arrays, on=wrapper)
    else:
        with transaction.atomic(using=wrapper.alias):
            for start in range(0, len(specs), COPY_CHUNK):
                rows_text = "".join(map(_copied, specs[start : start + COPY_CHUNK]))
                statements.copy("enqueue_copy", rows_text, on=wrapper)


def _copied(spec: Spec) -> str:
    timeout = r"\N" if spec.timeout is None else repr(spec.timeout)
    return (
        f"{spec.id}\t{_escaped(spec.name)}\t{_escaped(spec.queue)}\t{_escaped(spec.backend)}\t{spec.priority}\t"
        f"{-spec.priority}\t{_escaped(spec.args)}\t{_escaped(spec.kwargs)}\t{timeout}\t{spec.max_attempts}\n"
    )


def _escaped(text: str) -> str:
    """For PostgreSQL's text format, in which a backslash escapes and a tab or a line break ends a value."""
    if text.isprintable() and "\\" not in text:
        return text
    text = text.replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
