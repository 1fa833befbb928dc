"""Where two verbs meet, and where a chunk, a backlog or an answer that was lost could lead one astray."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from uuid_utils.compat import uuid7

from tasks_app import Unique, events, queue
from tasks_app.engine.states import State
from tasks_app.models import Task
from tasks_app.queue import statements
from tests.integration.queue.conftest import claim_one, sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held_by_a_caller() -> Iterator[UUID]:
    """An expired task that a caller's open transaction holds, as one that replaces its arguments does."""
    id = UUID(tasks.sync_account.using(expires_in=60).enqueue("a", 1).id)
    sql("UPDATE tq_task_live SET expires_at = now()")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE tq_task_live SET args = '[1]' WHERE id = %s", [id])
        yield id
        cursor.execute("ROLLBACK")
    other.close()


def test_a_row_that_a_caller_holds_keeps_no_other_task_from_expiring(held_by_a_caller):
    others = tasks.noop.using(expires_in=60).enqueue_many([()] * 3)
    sql("UPDATE tq_task_live SET expires_at = now() WHERE id <> %s", held_by_a_caller)

    queue.expire()

    assert not Task.objects.filter(id__in=others, state=State.READY).exists()


def test_a_backlog_of_a_paused_name_does_not_hide_what_is_behind_it(worker):
    tasks.noop.enqueue_many([()] * 2_000)
    behind = tasks.add.enqueue(1).id
    queue.pause_name(tasks.noop.module_path, by="ann")

    assert [str(claim.id) for claim in queue.claim(["default"], 4, worker)] == [behind]


def test_who_is_blamed_for_a_death_does_not_depend_on_chunks(register):
    workers = [register() for _ in range(3)]
    sql("UPDATE tq_worker SET slots = 4")
    tasks.noop.enqueue_many([()] * 504)
    for worker in workers:
        assert len(queue.claim(["default"], 168, worker)) == 168
        queue.bury(worker)

    queue.rescue()

    assert sql("SELECT DISTINCT crashes FROM tq_task_live") == [(0,)]


class TestReplace:
    def test_in_one_batch_the_last_call_of_a_key_counts(self):
        (id, _) = tasks.sync_account.enqueue_many([("a", 1), ("a", 2)])

        assert Task.objects.get(id=id).args == ["a", 2]

    def test_a_gated_task_waits_too(self, worker):
        id = tasks.sync_account.enqueue("a", 1).id
        queue.pause_name(tasks.sync_account.module_path, by="ann")
        queue.claim(["default"], 1, worker)
        assert Task.objects.get(id=id).state == State.GATED

        tasks.sync_account.enqueue("a", 2)

        assert Task.objects.get(id=id).args == ["a", 2]

    def test_a_call_is_not_lost_when_the_holder_starts_and_frees_the_key(self, worker, monkeypatch):
        unique = Unique(key=lambda account, amount: account, until="started", on_conflict="replace")
        task = tasks.sync_account.using(unique=unique)
        task.enqueue("a", 1)
        run = statements.run

        def start_then_run(name, *args, **kwargs):
            if name == "replace":
                thread = threading.Thread(target=lambda: (claim_one(worker), connection.close()))
                thread.start()
                thread.join()
            return run(name, *args, **kwargs)

        monkeypatch.setattr(statements, "run", start_then_run)
        task.enqueue("a", 2)

        assert ["a", 2] in list(Task.objects.values_list("args", flat=True))

    def test_two_callers_in_other_orders_do_not_deadlock(self):
        tasks.sync_account.enqueue_many([("a", 1), ("b", 1)])
        errors: list[str] = []
        barrier = threading.Barrier(2)

        def enqueue(calls: list[tuple[str, int]]) -> None:
            try:
                for _ in range(150):
                    barrier.wait(10)
                    with transaction.atomic():
                        tasks.sync_account.enqueue_many(calls)
            except OperationalError as error:
                errors.append(str(error))
                barrier.abort()
            except threading.BrokenBarrierError:
                pass
            finally:
                connection.close()

        calls = [("a", 2), ("b", 2)]
        threads = [threading.Thread(target=enqueue, args=(o,)) for o in (calls, calls[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert errors == []


def test_a_key_held_for_a_period_outlives_its_task_without_failing_the_next_enqueue():
    task = tasks.once.using(unique=Unique(period=3600))
    first = task.enqueue().id
    queue.purge([UUID(first)], by="ann")

    assert task.enqueue().id == first


def test_all_keys_whose_period_is_over_are_removed():
    sql(
        "INSERT INTO tq_unique SELECT i, gen_random_uuid(), 'period', now() - interval '1 s'"
        " FROM generate_series(1, 25000) i"
    )

    queue.prune()

    assert sql("SELECT count(*) FROM tq_unique") == [(0,)]


def test_behind_a_pooler_a_hint_leaves_the_session_as_it_was(monkeypatch):
    settings = statements.connection().settings_dict
    monkeypatch.setitem(settings, "DISABLE_SERVER_SIDE_CURSORS", True)
    try:
        events.Sender()._tell(events.READY, {"default"})

        assert sql("SHOW synchronous_commit") == [("on",)]
    finally:
        sql("RESET synchronous_commit")


def test_a_registration_whose_answer_was_lost_can_be_repeated():
    registration = queue.Registration(
        id=uuid7(),
        serial=queue.take_serial(),
        direct=False,
        name="test",
        hostname="here",
        pid=1,
        queues=[],
        capabilities=[],
        slots=1,
    )
    queue.register(registration)

    queue.register(registration)


def test_rescue_does_not_walk_over_the_backlog(worker):
    """Planned when most tasks ran, as in a quiet hour; then a backlog comes."""
    rows = (
        "INSERT INTO tq_task_live (id, name, queue, backend, priority, state, args, kwargs, max_attempts, worker_id)"
        " SELECT gen_random_uuid(), 'a', 'default', 'default', 0, %s, '[]', '{}', 3, %s FROM generate_series(1, %s)"
    )
    sql(rows, "running", worker, 500)
    sql("ANALYZE tq_task_live")
    sql(rows, "ready", None, 20_000)
    with transaction.atomic():
        sql("SET LOCAL enable_seqscan = off")
        sql("SET LOCAL plan_cache_mode = force_generic_plan")
        with connection.cursor() as cursor:
            cursor.execute(
                "EXPLAIN (ANALYZE, TIMING off) " + statements.text("rescue"),
                {"grace": 15.0, "limit": 500, "max_crashes": 3},
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Rows Removed by Filter: 20500" not in plan
