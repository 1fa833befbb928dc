from __future__ import annotations

from datetime import timedelta

import pytest

from tasks_app import queue
from tasks_app.compat import InvalidTask
from tasks_app.engine.states import State
from tasks_app.models import Statistic, Task
from tests.factories import make_task
from tests.integration.queue.conftest import claim_one, finish_one, sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_task_that_did_not_start_in_time_fails_as_expired(worker):
    id = tasks.noop.using(expires_in=60).enqueue().id
    sql("UPDATE tq_task_live SET expires_at = now() - interval '1 ms'")

    assert queue.claim(["default"], 1, worker) == []
    assert queue.expire() == 1

    task = Task.objects.get(id=id)
    assert (task.state, task.reason, task.attempt) == ("failed", "expired", 0)
    assert Statistic.objects.get().outcome == "failed"


@pytest.mark.parametrize("state", [State.SCHEDULED, State.GATED, State.READY, State.BLOCKED])
def test_it_expires_wherever_it_waits(state):
    task = make_task(state, expires_at="2026-01-01T00:00:00Z")

    queue.expire()

    assert Task.objects.get(id=task.id).state == "failed"


def test_one_that_has_started_may_end_later(worker):
    id = tasks.noop.using(expires_in=60).enqueue().id
    claim = claim_one(worker)
    sql("UPDATE tq_task_live SET expires_at = now() - interval '1 ms'")

    assert queue.expire() == 0
    finish_one(claim)

    assert Task.objects.get(id=id).state == "succeeded"


def test_another_attempt_has_to_start_in_time_too(worker):
    id = tasks.noop.using(expires_in=60).enqueue().id
    finish_one(claim_one(worker), state=State.SCHEDULED)
    sql("UPDATE tq_task_live SET expires_at = now() - interval '1 ms'")

    queue.expire()

    assert Task.objects.get(id=id).reason == "expired"


def test_others_stay():
    tasks.noop.enqueue()
    tasks.noop.using(expires_in=timedelta(hours=1)).enqueue()

    assert queue.expire() == 0


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1", 10**9])
def test_a_wrong_value_is_refused(value):
    with pytest.raises(InvalidTask, match="expires_in"):
        tasks.noop.using(expires_in=value)


def test_more_than_one_chunk_expires_at_once():
    tasks.noop.using(expires_in=60).enqueue_many([()] * 1_234)
    sql("UPDATE tq_task_live SET expires_at = now()")

    assert queue.expire() == 1_234
