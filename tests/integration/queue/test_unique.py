"""Unique keys: who holds one, until when, and what becomes of the second call. Races are between real sessions."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from tasks_app import Unique, queue
from tasks_app.engine.states import State
from tasks_app.exceptions import DuplicateTask
from tasks_app.models import Task
from tests.integration.queue.conftest import claim_one, finish_one, sql
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def holders() -> dict[str, UUID]:
    return dict(sql("SELECT key, task_id FROM tq_unique"))


def test_the_same_call_is_in_the_queue_once_and_the_second_gets_the_id_of_the_first():
    first = tasks.once.enqueue(1, b=2)
    second = tasks.once.enqueue(1, b=2)

    assert second.id == first.id
    assert Task.objects.count() == 1
    assert list(holders().values()) == [UUID(first.id)]


def test_a_call_is_the_same_whether_its_arguments_are_given_by_place_or_by_name():
    assert tasks.once.enqueue(1, 2).id == tasks.once.enqueue(b=2, a=1).id


def test_other_arguments_are_another_call():
    assert tasks.once.enqueue(1).id != tasks.once.enqueue(2).id


def test_in_one_batch_the_first_of_a_key_holds_it():
    ids = tasks.once.enqueue_many([(1,), (2,), (1,), (2,), (3,)])

    assert ids[2] == ids[0]
    assert ids[3] == ids[1]
    assert len(set(ids)) == Task.objects.count() == 3


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_until_finished_the_key_is_held_through_retries_and_free_after(worker, state):
    first = tasks.once.enqueue().id
    claim = claim_one(worker)
    finish_one(claim, state=State.SCHEDULED)
    assert tasks.once.enqueue().id == first
    sql("UPDATE tq_task_live SET run_at = now() - interval '1 s'")
    queue.promote()

    finish_one(claim_one(worker), state=state)

    assert holders() == {}
    assert tasks.once.enqueue().id != first


@pytest.mark.parametrize("end", ["cancel", "discard", "purge", "expire", "poison"])
def test_every_other_end_frees_the_key_too(worker, end):
    first = tasks.once.using(expires_in=60).enqueue().id
    match end:
        case "expire":
            sql("UPDATE tq_task_live SET expires_at = now()")
            queue.expire()
        case "poison":
            sql("UPDATE tq_task_live SET crashes = 3")
            claim_one(worker)
            queue.bury(worker)
            queue.rescue()
        case _:
            getattr(queue, end)([UUID(first)], by="ann")

    assert holders() == {}


def test_until_started_whoever_comes_after_the_start_makes_a_new_task(worker):
    task = tasks.once.using(unique=Unique(until="started"))
    first = task.enqueue().id
    assert task.enqueue().id == first

    claim_one(worker)

    second = task.enqueue().id
    assert second != first
    assert list(holders().values()) == [UUID(second)]


def test_a_key_freed_at_the_start_is_not_freed_again_at_the_end(worker):
    task = tasks.once.using(unique=Unique(until="started"))
    task.enqueue()
    claim = claim_one(worker)
    second = task.enqueue().id

    finish_one(claim)

    assert list(holders().values()) == [UUID(second)]


def test_for_a_period_the_key_is_held_whatever_becomes_of_the_task(worker):
    task = tasks.once.using(unique=Unique(period=3600))
    first = task.enqueue().id
    finish_one(claim_one(worker))
    assert task.enqueue().id == first

    sql("UPDATE tq_unique SET expires_at = now() - interval '1 ms'")

    assert task.enqueue().id != first


def test_keys_whose_period_is_over_are_removed_by_and_by():
    tasks.once.using(unique=Unique(period=3600)).enqueue()
    sql("UPDATE tq_unique SET expires_at = now() - interval '1 ms'")

    queue.prune()

    assert holders() == {}


def test_a_second_call_can_be_refused():
    task = tasks.once.using(unique=Unique(on_conflict="raise"))
    first = task.enqueue()

    with pytest.raises(DuplicateTask, match=f"held by task {first.id}"):
        task.enqueue()
    with pytest.raises(DuplicateTask):
        task.enqueue_many([(5,), ()])

    assert Task.objects.count() == 1
    assert len(holders()) == 1


def test_a_second_call_can_replace_the_first_while_that_waits(worker):
    first = tasks.sync_account.enqueue("a", 1).id
    other = tasks.sync_account.enqueue("b", 5).id

    assert tasks.sync_account.using(priority=9).enqueue("a", 2).id == first

    task = Task.objects.get(id=first)
    assert (task.args, task.priority) == (["a", 2], 9)
    assert [str(c.id) for c in queue.claim(["default"], 2, worker)] == [first, other]


def test_a_replaced_task_that_was_attempted_before_has_an_attempt_left(worker):
    first = tasks.sync_account.enqueue("a", 1).id
    finish_one(claim_one(worker), state=State.SCHEDULED)

    tasks.sync_account.using(max_attempts=1).enqueue("a", 2)

    claim = claim_one(worker)
    assert (str(claim.id), claim.attempt, claim.max_attempts) == (first, 2, 2)


def test_a_running_holder_is_not_replaced(worker):
    first = tasks.sync_account.enqueue("a", 1).id
    claim_one(worker)

    assert tasks.sync_account.enqueue("a", 2).id == first

    assert Task.objects.get(id=first).args == ["a", 1]


def test_a_redriven_task_does_not_take_its_key_again(worker):
    first = tasks.once.enqueue().id
    finish_one(claim_one(worker), state=State.FAILED)
    second = tasks.once.enqueue().id

    queue.redrive([UUID(first)], by="ann")

    assert list(holders().values()) == [UUID(second)]
    assert Task.objects.get(id=first).unique_key is None


def test_a_rolled_back_enqueue_holds_nothing():
    with transaction.atomic():
        tasks.once.enqueue()
        transaction.set_rollback(True)

    assert holders() == {}


def test_of_many_sessions_at_once_one_makes_the_task_and_all_get_its_id():
    ids: list[str] = []
    barrier = threading.Barrier(8)

    def enqueue() -> None:
        barrier.wait(10)
        ids.append(tasks.once.enqueue(7).id)
        connection.close()

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(ids) == 8
    assert len(set(ids)) == Task.objects.count() == 1


def test_without_the_table_of_keys_several_sessions_would_each_make_one():
    """Negative control: look for a task with that key, and enqueue if there is none."""
    barrier = threading.Barrier(4)

    def enqueue() -> None:
        seen = Task.objects.filter(name=tasks.noop.module_path).exists()
        barrier.wait(10)
        if not seen:
            tasks.noop.enqueue()
        connection.close()

    threads = [threading.Thread(target=enqueue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert Task.objects.count() == 4


class TestOpenTransaction:
    """Another session has enqueued the same call and not committed."""

    @pytest.fixture
    def holder(self):
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            key = Unique().key_of(tasks.once.module_path, [], {})
            cursor.execute(
                "INSERT INTO tq_unique VALUES (%s, gen_random_uuid(), 'finished', NULL)", [key]
            )
            yield cursor
            if not other.is_usable():
                other.close()
            else:
                cursor.execute("ROLLBACK")
        other.close()

    def test_it_is_waited_for_and_its_rollback_leaves_the_key_to_us(self, holder):
        ids: list[str] = []

        def enqueue() -> None:
            ids.append(tasks.once.enqueue().id)
            connection.close()

        thread = threading.Thread(target=enqueue)
        thread.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        eventually(lambda: sql(waits) == [(1,)])
        assert not ids
        holder.execute("ROLLBACK")
        thread.join(10)

        assert list(holders().values()) == [UUID(ids[0])]

    def test_it_is_not_waited_for_for_ever(self, holder, monkeypatch):
        monkeypatch.setattr(queue.unique, "LOCK_TIMEOUT", "200ms")

        with pytest.raises(OperationalError, match="lock timeout"):
            tasks.once.enqueue()

        assert Task.objects.count() == 0
        assert sql("SHOW lock_timeout") == [("0",)]

    def test_no_finish_waits_for_a_caller_that_met_a_held_key(self, worker):
        """A caller's open transaction that found the key held keeps no lock on its row."""
        tasks.once.enqueue()
        claim = claim_one(worker)
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO tq_unique SELECT * FROM tq_unique ON CONFLICT (key) DO NOTHING"
            )
            sql("SET lock_timeout = '1s'")
            try:
                assert finish_one(claim) is queue.Answer.ACCEPTED
            finally:
                sql("RESET lock_timeout")
                cursor.execute("ROLLBACK")
        other.close()

    def test_with_do_update_the_finish_would_wait(self, worker):
        """Negative control: DO UPDATE locks the row of a held key even if its WHERE is false."""
        tasks.once.enqueue()
        claim = claim_one(worker)
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO tq_unique SELECT * FROM tq_unique ON CONFLICT (key) DO UPDATE"
                " SET until = 'finished' WHERE false"
            )
            with transaction.atomic():
                sql("SET LOCAL lock_timeout = '300ms'")
                with pytest.raises(DatabaseError, match="lock timeout"):
                    finish_one(claim)
                transaction.set_rollback(True)
            cursor.execute("ROLLBACK")
        other.close()


def test_callers_that_take_several_keys_in_other_orders_do_not_deadlock():
    """Keys are taken in key order, whatever the order of the calls."""
    errors: list[Exception] = []
    barrier = threading.Barrier(2)

    def enqueue(calls: list[tuple[int]]) -> None:
        try:
            for _ in range(20):
                barrier.wait(10)
                tasks.once.enqueue_many(calls)
                queue.purge(list(Task.objects.values_list("id", flat=True)), by="ann")
        except Exception as error:
            errors.append(error)
            barrier.abort()
        finally:
            connection.close()

    calls = [(number,) for number in range(30)]
    threads = [threading.Thread(target=enqueue, args=(order,)) for order in (calls, calls[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
