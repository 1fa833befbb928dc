"""The check that ends every fault test: what the ledger says ran against what the queue says became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from django.db import connection

from tasks_app.models import Task


def executions(ledger: Path) -> Counter[str]:
    """How often each key was run; the lines are `key pid`."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return Counter(line.split()[0] for line in lines)


def assert_one_outcome_each(ids: Iterable[str]) -> None:
    """Every task has ended, once, well, and nothing of it is live."""
    wanted = {UUID(id) for id in ids}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, state FROM tq_task_history WHERE id = ANY(%s)", [list(wanted)])
        outcomes = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM tq_task_live WHERE id = ANY(%s)", [list(wanted)])
        ((live,),) = cursor.fetchall()
    assert live == 0
    assert Counter(id for id, _ in outcomes) == Counter(wanted)
    assert {state for _, state in outcomes} == {"succeeded"}


def all_succeeded(ids: Iterable[str]) -> bool:
    wanted = [UUID(id) for id in ids]
    return Task.objects.filter(id__in=wanted, state="succeeded").count() == len(wanted)
