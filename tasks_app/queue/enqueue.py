"""enqueue: an INSERT in the caller's own transaction, so that a task exists if and only if that commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks_app import events
from tasks_app.queue import statements, unique
from tasks_app.queue.spec import Spec

COPY_FROM = 20
"""Tasks from which on COPY takes less than INSERT."""
COPY_CHUNK = 2_000


def enqueue(specs: Sequence[Spec]) -> list[str]:
    """Store the tasks, and wake workers once the surrounding transaction, if any, has committed.

    Answers one id each: of the new task, or of the one that holds its unique key. Raises DuplicateTask where a spec asks
    for that; then nothing is stored.
    """
    if not specs:
        return []
    wrapper = statements.connection()
    if len(specs) == 1 and specs[0].is_plain:
        # The shortest way for what is done most.
        (spec,) = specs
        statements.insert("enqueue_one", spec.plain_columns(), on=wrapper)
        events.wake((spec.queue,), within=wrapper)
        return [spec.id]
    if any(spec.unique for spec in specs):
        # In a transaction of the caller's, a key that is refused must leave the rest of it as it is.
        savepoint = wrapper.in_atomic_block
        others = statements.in_transaction(lambda: _insert_unique(specs, wrapper, savepoint))
    else:
        others = {}
        _insert(specs, wrapper)
    events.wake({spec.queue for spec in specs}, within=wrapper)
    return [others.get(spec.id, spec.id) for spec in specs]


def _insert_unique(
    specs: Sequence[Spec], wrapper: BaseDatabaseWrapper, savepoint: bool
) -> dict[str, str]:
    with transaction.atomic(using=wrapper.alias, savepoint=savepoint):
        new, others = unique.take(specs, wrapper)
        if new:
            _insert(new, wrapper)
    return others


def _insert(specs: Sequence[Spec], wrapper: BaseDatabaseWrapper) -> None:
    if len(specs) < COPY_FROM or not all(spec.is_plain for spec in specs):
        rows = [spec.columns() for spec in specs]
        arrays = {name: [row[name] for row in rows] for name in rows[0]}
        statements.run("enqueue", arrays, on=wrapper)
    else:
        with transaction.atomic(using=wrapper.alias):
            for start in range(0, len(specs), COPY_CHUNK):
                lines = _copied(specs[start : start + COPY_CHUNK])
                statements.copy("enqueue_copy", "".join(lines), on=wrapper)


def _copied(specs: Sequence[Spec]) -> Iterator[str]:
    """Lines of enqueue_copy.sql. Most calls are of one task: what its rows share is made into text once."""
    options: dict[tuple[object, ...], tuple[str, str]] = {}
    for spec in specs:
        shared = (
            spec.name,
            spec.queue,
            spec.backend,
            spec.priority,
            spec.timeout,
            spec.max_attempts,
        )
        if (texts := options.get(shared)) is None:
            names = "\t".join(map(_escaped, (spec.name, spec.queue, spec.backend)))
            timeout = r"\N" if spec.timeout is None else repr(float(spec.timeout))
            texts = options[shared] = (
                f"\t{names}\t{spec.priority}\t{-spec.priority}\t",
                f"\t{timeout}\t{spec.max_attempts}\n",
            )
        before, after = texts
        yield f"{spec.id}{before}{_escaped(spec.args)}\t{_escaped(spec.kwargs)}{after}"


def _escaped(text: str) -> str:
    """For PostgreSQL's text format, in which a backslash escapes and a tab or a line break ends a value."""
    if text.isprintable() and "\\" not in text:
        return text
    text = text.replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
