from __future__ import annotations

from datetime import timedelta

import pytest

from tasks_app import queue
from tasks_app.models import Task
from tests.integration.queue.conftest import sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_due_tasks_become_ready_and_the_others_stay():
    due = tasks.noop.using(run_after=timedelta(hours=1)).enqueue().id
    later = tasks.noop.using(run_after=timedelta(hours=2)).enqueue().id
    sql("UPDATE tq_task_live SET run_at = now() - interval '1 ms' WHERE id = %s", due)

    assert queue.promote() == 1

    assert Task.objects.get(id=due).state == "ready"
    assert Task.objects.get(id=later).state == "scheduled"


def test_more_than_one_chunk_is_promoted_at_once():
    tasks.noop.using(run_after=timedelta(hours=1)).enqueue_many([()] * 1_234)
    sql("UPDATE tq_task_live SET run_at = now()")

    assert queue.promote() == 1_234


def test_a_promoted_task_queues_behind_those_that_wait_already(worker):
    delayed = tasks.noop.using(run_after=timedelta(hours=1)).enqueue().id
    waiting = tasks.noop.enqueue().id
    sql("UPDATE tq_task_live SET run_at = now() WHERE id = %s", delayed)
    queue.promote()

    assert [str(c.id) for c in queue.claim(["default"], 2, worker)] == [waiting, delayed]
