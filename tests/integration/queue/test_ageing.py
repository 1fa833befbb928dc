from __future__ import annotations

import pytest

from tasks_app import queue
from tasks_app.models import Task
from tests.integration.queue.conftest import claim_one, finish_one, sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def waited(id: str, seconds: float) -> None:
    sql("UPDATE tq_task_live SET run_at = now() - %s * interval '1 s' WHERE id = %s", seconds, id)


def test_a_task_that_has_waited_a_minute_per_step_goes_before_newer_ones_of_the_highest_priority(
    worker,
):
    low = tasks.noop.using(priority=-5).enqueue().id
    high = tasks.noop.using(priority=5).enqueue().id
    waited(low, 10 * 60)

    assert queue.age() == 1

    assert [str(c.id) for c in queue.claim(["default"], 2, worker)] == [low, high]
    assert Task.objects.get(id=low).priority == -5


def test_one_that_has_waited_less_stays_behind(worker):
    low = tasks.noop.using(priority=-5).enqueue().id
    high = tasks.noop.using(priority=5).enqueue().id
    waited(low, 10 * 60 - 5)

    assert queue.age() == 0

    assert [str(c.id) for c in queue.claim(["default"], 2, worker)] == [high, low]


def test_while_nothing_of_a_higher_priority_waits_no_row_is_touched():
    for id in tasks.noop.using(priority=-5).enqueue_many([()] * 3):
        waited(id, 9_999)

    assert queue.age() == 0


def test_queues_do_not_age_each_other():
    low = tasks.noop.using(priority=-5, queue_name="mail").enqueue().id
    tasks.noop.using(priority=5).enqueue()
    waited(low, 9_999)

    assert queue.age() == 0


def test_it_looks_only_at_the_front_of_each_priority(monkeypatch):
    monkeypatch.setattr(queue.upkeep, "CHUNK", 2)
    ids = tasks.noop.using(priority=-5).enqueue_many([()] * 5)
    tasks.noop.enqueue()
    for id in ids:
        waited(id, 9_999)

    assert [queue.age() for _ in range(4)] == [2, 2, 1, 0]


def starved_after(worker, *, ageing: bool) -> bool:
    """Whether a task of a low priority still waits after an hour in which those of a higher one never ran out."""
    low = tasks.noop.using(priority=-10).enqueue().id
    for minute in range(60):
        tasks.noop.enqueue_many([()] * 2)
        waited(low, minute * 60)
        if ageing:
            queue.age()
        finish_one(claim_one(worker))
    return Task.objects.get(id=low).state == "ready"


def test_a_stream_of_a_higher_priority_cannot_starve_a_task(worker):
    assert not starved_after(worker, ageing=True)


def test_without_ageing_it_would(worker):
    """Negative control."""
    assert starved_after(worker, ageing=False)
