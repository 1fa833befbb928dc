"""What a person may do to tasks: each act from each state, the audit, and what the readers of a task then see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks_app import queue
from tasks_app.engine.states import LIVE, TRANSITIONS, State
from tasks_app.models import Audit, Statistic, Task
from tests.factories import make_task
from tests.integration.queue.conftest import claim_one, finish_one, sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

SOON = timezone.now() + timedelta(hours=1)

ACTS: dict[str, Callable[[list[UUID]], queue.Report]] = {
    "cancel": lambda ids: queue.cancel(ids, by="ann"),
    "discard": lambda ids: queue.discard(ids, by="ann"),
    "retry": lambda ids: queue.retry(ids, by="ann"),
    "redrive": lambda ids: queue.redrive(ids, by="ann"),
    "reprioritise": lambda ids: queue.reprioritise(ids, 7, by="ann"),
    "reschedule": lambda ids: queue.reschedule(ids, SOON, by="ann"),
    "edit_args": lambda ids: queue.edit_args(ids[0], "[1]", "{}", by="ann"),
    "purge": lambda ids: queue.purge(ids, by="ann"),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("act", ACTS)
def test_an_act_is_done_from_the_states_of_its_row_in_the_table_and_refused_from_all_others(
    act, state
):
    task = make_task(state)
    targets = {target for source, target in TRANSITIONS[act] if source == state}

    report = ACTS[act]([task.id])

    after = Task.objects.filter(id=task.id).values_list("state", flat=True).first()
    if targets:
        assert report.done == {task.id: state}
        assert after in targets
        assert Audit.objects.get().subject == f"task {task.id}"
    else:
        assert report.refused == {task.id: state}
        assert after == state
        assert not Audit.objects.exists()


@pytest.mark.parametrize("act", ACTS)
def test_a_task_that_is_not_there_is_reported_as_unknown(act):
    id = uuid7()

    assert ACTS[act]([id]).unknown == [id]


def test_cancelling_a_waiting_task_ends_it_at_once_and_says_who_did_it():
    id = UUID(tasks.noop.enqueue().id)

    queue.cancel([id], by="ann", reason="sent twice")

    task = Task.objects.get(id=id)
    assert (task.state, task.reason, task.attempt) == ("cancelled", None, 0)
    (entry,) = task.errors
    assert (entry["event"], entry["by"], entry["message"]) == ("cancel", "ann", "sent twice")
    assert Statistic.objects.get().outcome == "cancelled"


@pytest.mark.parametrize("outcome", ["fails", "is released", "loses its worker"])
def test_a_running_task_that_was_cancelled_ends_as_cancelled_unless_it_succeeds(worker, outcome):
    id = UUID(tasks.noop.enqueue().id)
    claim = claim_one(worker)

    report = queue.cancel([id], by="ann")

    assert report.done == {id: State.RUNNING}
    assert Task.objects.get(id=id).cancel_requested_at is not None
    if outcome == "loses its worker":
        queue.bury(worker)
        queue.rescue()
    else:
        finish_one(claim, state=State.FAILED if outcome == "fails" else State.READY)
    assert Task.objects.get(id=id).state == "cancelled"


def test_a_running_task_that_succeeds_after_it_was_cancelled_has_succeeded(worker):
    id = UUID(tasks.noop.enqueue().id)
    claim = claim_one(worker)
    queue.cancel([id], by="ann")

    finish_one(claim)

    task = Task.objects.get(id=id)
    assert task.state == "succeeded"
    assert task.cancel_requested_at is not None


def test_a_cancelled_claim_that_never_reached_its_worker_is_cancelled(worker):
    id = UUID(tasks.noop.enqueue().id)
    claim_one(worker)
    queue.cancel([id], by="ann")

    queue.disown(worker, [])
    assert queue.claim(["default"], 1, worker) == []
    queue.expire()

    assert Task.objects.get(id=id).state == "cancelled"


def test_cancelling_twice_asks_once(worker):
    id = UUID(tasks.noop.enqueue().id)
    claim_one(worker)

    queue.cancel([id], by="ann")
    first = Task.objects.get(id=id)
    queue.cancel([id], by="bob")

    again = Task.objects.get(id=id)
    assert again.cancel_requested_at == first.cancel_requested_at
    assert [entry["by"] for entry in again.errors] == ["ann"]


def test_a_redriven_task_keeps_its_id_and_fence_and_has_all_its_attempts_again(worker):
    id = UUID(tasks.noop.using(max_attempts=1, priority=5).enqueue().id)
    finish_one(claim_one(worker), state=State.FAILED)

    queue.redrive([id], by="ann", reason="the bug is fixed")

    task = Task.objects.get(id=id)
    assert (task.state, task.fence, task.attempt, task.priority) == ("ready", 1, 0, 5)
    assert task.errors[-1]["event"] == "redrive"
    claim = claim_one(worker)
    assert (claim.id, claim.fence, claim.attempt) == (id, 2, 1)
    finish_one(claim)
    assert Task.objects.get(id=id).state == "succeeded"


def test_the_late_finish_of_before_a_redrive_is_refused(worker, register):
    id = UUID(tasks.noop.enqueue().id)
    late = claim_one(worker)
    queue.bury(worker)
    queue.rescue()
    queue.cancel([id], by="ann")
    queue.redrive([id], by="ann")

    assert finish_one(late) is queue.Answer.STALE
    assert Task.objects.get(id=id).state == "ready"


def test_reprioritising_moves_a_task_before_others(worker):
    first, second = (UUID(tasks.noop.enqueue().id) for _ in range(2))

    queue.reprioritise([second], 1, by="ann")

    assert claim_one(worker).id == second
    assert claim_one(worker).id == first


def test_reprioritising_is_seen_by_a_claimer_that_has_passed_the_place(worker):
    """Its marks begin behind the task; the hint that goes with the act makes it look from the start."""
    old, *_ = tasks.noop.using(priority=-5).enqueue_many([()] * 3)
    marks = queue.Marks()
    tasks.noop.enqueue_many([()] * 5)
    queue.claim(["default"], 5, worker, marks)

    queue.reprioritise([UUID(old)], 0, by="ann")

    assert queue.claim(["default"], 1, worker, marks)[0].id != UUID(old)
    marks.forget(["default"])
    assert queue.claim(["default"], 1, worker, marks)[0].id == UUID(old)


@pytest.mark.parametrize("priority", [101, -101, 1.5, True, "1"])
def test_a_priority_out_of_range_is_refused(priority):
    with pytest.raises(ValueError, match="from -100 to 100"):
        queue.reprioritise([uuid7()], priority, by="ann")


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        queue.reschedule([uuid7()], SOON.replace(tzinfo=None), by="ann")


def test_a_task_can_be_put_off_and_brought_forward():
    id = UUID(tasks.noop.enqueue().id)

    queue.reschedule([id], SOON, by="ann")
    assert Task.objects.get(id=id).state == "scheduled"

    queue.reschedule([id], timezone.now() - timedelta(seconds=1), by="ann")
    assert Task.objects.get(id=id).state == "ready"


def test_arguments_can_be_changed_while_a_task_waits(worker):
    id = UUID(tasks.add.enqueue(1, b=2).id)

    queue.edit_args(id, "[3]", '{"b": 4}', by="ann")

    claim = claim_one(worker)
    assert (claim.args, claim.kwargs) == ([3], {"b": 4})


def test_more_than_a_thousand_tasks_in_one_act_are_refused():
    with pytest.raises(ValueError, match="1,001 tasks"):
        queue.cancel([uuid7() for _ in range(1_001)], by="ann")


def test_what_is_purged_is_gone_and_only_counted():
    waiting, ended = make_task(), make_task(State.FAILED)

    queue.purge([waiting.id, ended.id], by="ann")

    assert not Task.objects.exists()
    assert sorted(Statistic.objects.values_list("outcome", flat=True)) == [
        "purged",
        "purged-failed",
    ]


def test_an_act_and_its_audit_are_one_transaction():
    """The audit cannot be written: so the task stays as it is."""
    id = UUID(tasks.noop.enqueue().id)
    sql("ALTER TABLE tq_audit ADD CONSTRAINT never CHECK (false) NOT VALID")
    try:
        with pytest.raises(Exception, match="never"):
            queue.cancel([id], by="ann")
    finally:
        sql("ALTER TABLE tq_audit DROP CONSTRAINT never")

    assert Task.objects.get(id=id).state == "ready"


def test_the_audit_says_who_did_what_to_which_tasks_and_why():
    ids = [UUID(id) for id in tasks.noop.enqueue_many([(), ()])]

    queue.reprioritise(ids, 3, by="ann", reason="urgent")

    audit = Audit.objects.get()
    assert (audit.by, audit.action, audit.subject) == ("ann", "reprioritise", "2 tasks")
    assert audit.reason == "urgent"
    assert audit.detail == {"priority": 3, "tasks": [str(id) for id in ids]}


class TestPausedNames:
    def test_nothing_of_a_paused_name_starts_and_what_a_claim_meets_is_put_aside(self, worker):
        paused = tasks.noop.enqueue_many([()] * 30)
        other = tasks.add.enqueue(1, b=2).id
        queue.pause_name(tasks.noop.module_path, by="ann", reason="a bug")

        claims = queue.claim(["default"], 5, worker)

        assert [str(claim.id) for claim in claims] == [other]
        aside = Task.objects.filter(id__in=paused)
        assert set(aside.values_list("state", "reason")) == {("gated", "name-paused")}

    def test_what_was_put_aside_comes_back_when_the_name_is_resumed(self, worker):
        id = tasks.noop.enqueue().id
        queue.pause_name(tasks.noop.module_path, by="ann")
        queue.claim(["default"], 5, worker)

        assert queue.resume_name(tasks.noop.module_path, by="ann") is True

        assert str(claim_one(worker).id) == id

    def test_what_a_late_claim_puts_aside_after_the_name_was_resumed_comes_back_too(self, worker):
        id = tasks.noop.enqueue().id
        sql("UPDATE tq_task_live SET state = 'gated', reason = 'name-paused'")

        queue.ungate([])

        assert str(claim_one(worker).id) == id

    def test_a_name_that_is_not_paused_cannot_be_resumed(self):
        assert queue.resume_name("shop.tasks.nothing", by="ann") is False
        assert not Audit.objects.exists()


@pytest.mark.parametrize("first", ["the cancel", "the finish"])
def test_of_a_cancel_and_a_finish_the_first_to_commit_wins(worker, first):
    """Barrier: the second waits for, or skips, the row that the first holds."""
    id = UUID(tasks.noop.enqueue().id)
    claim = claim_one(worker)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM tq_task_live WHERE id = %s FOR UPDATE", [id])
        if first == "the cancel":
            cursor.execute(
                "UPDATE tq_task_live SET cancel_requested_at = now() WHERE id = %s", [id]
            )
        assert finish_one(claim, state=State.FAILED) is queue.Answer.BUSY
        cursor.execute("COMMIT")
    other.close()

    assert finish_one(claim, state=State.FAILED) is queue.Answer.ACCEPTED

    assert Task.objects.get(id=id).state == ("cancelled" if first == "the cancel" else "failed")


def test_every_waiting_state_has_an_act_that_ends_it():
    assert {s for s, _ in TRANSITIONS["cancel"]} == set(LIVE)
