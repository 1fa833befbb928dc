"""Marks keep claims cheap; what lies before one is late by a sweep at most, and never lost."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction

from tasks_app import events, queue
from tasks_app.engine.outcomes import Succeeded
from tasks_app.engine.states import State
from tasks_app.queue.statements import text
from tests.integration.queue.conftest import finish_one, sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def marks():
    return queue.Marks()


def claimed(worker, marks, limit=100) -> list[str]:
    return [str(claim.id) for claim in queue.claim(["default"], limit, worker, marks)]


def test_without_a_mark_a_queue_is_one_stretch():
    assert queue.Marks().stretches(["a", "b"])["queue"] == ["a", "b"]


def test_a_claim_with_marks_takes_the_same_tasks_in_the_same_order(worker, marks):
    ids: dict[int, list[str]] = {0: [], 5: [], -5: []}
    for priority in (0, 5, -5, 0, 5, -5):
        ids[priority] += tasks.noop.using(priority=priority).enqueue_many([()] * 5)

    got = []
    while batch := claimed(worker, marks, 4):
        got += batch

    assert got == ids[5] + ids[0] + ids[-5]


def test_a_priority_that_was_not_in_use_is_found_at_once(worker, marks):
    tasks.noop.enqueue_many([()] * 3)
    claimed(worker, marks)

    for priority in (100, 3, 0, -3, -100):
        id = tasks.noop.using(priority=priority).enqueue().id
        assert claimed(worker, marks) == [id]


class TestLateCommit:
    """A session takes its place in the queue, and commits when claims have passed it."""

    @pytest.fixture
    def late(self, worker, marks):
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO tq_task_live (id, name, queue, backend, priority, args, kwargs, max_attempts)"
                " VALUES (gen_random_uuid(), %s, 'default', 'default', 0, '[]', '{}', 3) RETURNING id",
                [tasks.noop.module_path],
            )
            ((id,),) = cursor.fetchall()
            tasks.noop.enqueue_many([()] * 5)
            assert len(claimed(worker, marks)) == 5
            cursor.execute("COMMIT")
        other.close()
        return str(id)

    def test_the_next_sweep_finds_it(self, late, worker, marks):
        queue.sweep(marks, ["default"])

        assert claimed(worker, marks) == [late]

    def test_a_hint_that_tasks_came_back_finds_it(self, late, worker, marks):
        marks.forget(["default"])

        assert claimed(worker, marks) == [late]

    def test_without_a_sweep_it_would_wait(self, late, worker, marks):
        """Negative control."""
        tasks.noop.enqueue()

        assert late not in claimed(worker, marks)

    def test_a_claimer_without_marks_finds_it_at_once(self, late, worker):
        assert claimed(worker, None) == [late]


def test_a_sweep_that_looked_before_something_came_back_changes_nothing(marks):
    """Its answer is older than the reason to look from the start."""
    version = marks.version()
    marks.passed([("default", 0, 10)])
    marks.forget(["default"])

    marks.settle([("default", 0, 50)], version)

    assert marks.stretches(["default"])["from_rank"] == [-200]


@pytest.mark.parametrize("how", ["rescued", "released"])
def test_what_comes_back_to_its_old_place_is_told_to_claimers(worker, register, how, monkeypatch):
    told: list[tuple[set[str], bool]] = []
    monkeypatch.setattr(
        events,
        "wake",
        lambda queues, *, returned=False, within=None: told.append((set(queues), returned)),
    )
    tasks.noop.enqueue()
    (claim,) = queue.claim(["default"], 1, worker)
    told.clear()

    if how == "rescued":
        queue.bury(worker)
        queue.rescue()
    else:
        finish_one(claim, state=State.READY)

    assert told == [({"default"}, True)]


def buffers(worker, marks) -> int:
    """Pages that a claim of one task looks at to find it."""
    parameters = marks.stretches(["default"]) | {"limit": 1, "worker": worker}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + text("claim"), parameters)
        ((plan,),) = cursor.fetchall()
        transaction.set_rollback(True)
    top = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"]


def test_while_a_transaction_pins_dead_rows_a_claim_with_marks_stays_cheap(worker, marks):
    """Without marks it walks over all that were claimed since that transaction began: the negative control."""
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT txid_current()")
        tasks.noop.enqueue_many([()] * 5_000)
        while batch := queue.claim(["default"], 500, worker, marks):
            queue.finish([queue.Finish(c, c.decide(Succeeded("null")), ran=0.0) for c in batch])
        tasks.noop.enqueue_many([()] * 10)
        sql("VACUUM tq_task_live")

        with_marks, without = buffers(worker, marks), buffers(worker, queue.Marks())

        cursor.execute("ROLLBACK")
    other.close()
    assert with_marks < 60
    assert without > with_marks * 3
