from __future__ import annotations

import pytest

from tasks_app import queue
from tasks_app.engine.outcomes import Succeeded
from tasks_app.models import Task
from tests.integration.queue.conftest import sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_claim_whose_answer_was_lost_goes_back_and_what_is_in_hand_stays(worker):
    lost, held = tasks.noop.enqueue_many([(), ()])
    claims = {str(claim.id): claim for claim in queue.claim(["default"], 2, worker)}

    assert queue.disown(worker, [claims[held].id]) == 1

    rows = {str(row.id): row for row in Task.objects.all()}
    assert (rows[held].state, rows[held].fence) == ("running", 1)
    assert (rows[lost].state, rows[lost].fence, rows[lost].attempt) == ("ready", 2, 0)
    assert rows[lost].worker_ids == []


def test_the_lost_claim_can_never_be_finished(worker):
    tasks.noop.enqueue()
    (claim,) = queue.claim(["default"], 1, worker)
    queue.disown(worker, [])

    answers = queue.finish([queue.Finish(claim, claim.decide(Succeeded("1")), ran=0.1)])

    assert answers == {claim.key: queue.Answer.STALE}


def test_another_workers_tasks_are_not_touched(worker, register):
    tasks.noop.enqueue()
    queue.claim(["default"], 1, register())

    assert queue.disown(worker, []) == 0
    assert Task.objects.get().state == "running"


def test_a_claim_that_may_still_be_on_its_way_is_left_alone(worker):
    tasks.noop.enqueue()
    queue.claim(["default"], 1, worker)

    assert queue.disown(worker, [], older_than=30.0) == 0
    sql("UPDATE tq_task_live SET started_at = now() - interval '31 s'")
    assert queue.disown(worker, [], older_than=30.0) == 1
