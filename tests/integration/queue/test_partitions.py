from __future__ import annotations

import threading

import pytest
from django.db import connection

from tasks_app import queue
from tasks_app.queue import partitions
from tests.integration.queue.conftest import sql

pytestmark = pytest.mark.django_db(transaction=True)


def days() -> list[str]:
    return [
        name
        for (name,) in sql(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'tq_task_history'::regclass ORDER BY 1"
        )
    ]


def test_today_and_seven_days_ahead_are_there_after_migrate(db):
    assert len(days()) >= 1 + partitions.DAYS_AHEAD


def test_a_second_call_has_nothing_to_do(db):
    queue.make_days()

    assert queue.make_days() == []


def test_days_that_are_gone_are_made_again_by_however_many_callers():
    before = days()
    sql(f"DROP TABLE {before[-1]}, {before[-2]}")
    made: list[int] = []

    def make() -> None:
        made.append(len(queue.make_days()))
        connection.close()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sum(made) == 2
    assert days() == before
