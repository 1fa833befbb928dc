from __future__ import annotations

import threading
from uuid import UUID

import pytest
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from tasks_app import queue
from tasks_app.models import Task, Worker
from tests.integration.queue.conftest import sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def claimed(names: list[str], limit: int, worker: UUID) -> list[str]:
    return [str(claim.id) for claim in queue.claim(names, limit, worker)]


def test_a_claim_runs_under_a_new_fence_and_counts_an_attempt(worker):
    id = tasks.add.using(timeout=60).enqueue(1, b=2).id

    (claim,) = queue.claim(["default"], 10, worker)

    assert (str(claim.id), claim.fence, claim.attempt) == (id, 1, 1)
    assert (claim.args, claim.kwargs, claim.errors) == ([1], {"b": 2}, [])
    row = Task.objects.get(id=id)
    assert (row.state, row.worker_id, row.worker_ids) == ("running", worker, [worker])
    assert (row.deadline_at - row.started_at).total_seconds() == 60


def test_higher_priority_first_then_first_in_first_out(worker):
    low = tasks.noop.using(priority=-1).enqueue().id
    first = tasks.noop.enqueue().id
    high = tasks.noop.using(priority=1).enqueue().id
    second = tasks.noop.enqueue().id

    assert claimed(["default"], 10, worker) == [high, first, second, low]


def test_queues_are_served_in_the_order_given_and_no_other(worker):
    one = tasks.noop.using(queue_name="mail").enqueue().id
    two = tasks.noop.using(priority=100).enqueue().id
    tasks.noop.using(queue_name="reports").enqueue()

    assert claimed(["mail", "default"], 10, worker) == [one, two]


def test_never_more_than_asked_for(worker):
    ids = tasks.noop.enqueue_many([()] * 20)

    assert claimed(["default"], 7, worker) == ids[:7]
    assert Task.objects.filter(state="running").count() == 7


def test_never_more_than_asked_for_under_a_plan_without_hash_and_merge_joins(worker):
    """The planner may run a LIMITed subquery again for each row of a nested loop; the fence forbids it."""
    tasks.noop.enqueue_many([()] * 50)
    sql("SET enable_hashjoin = off")
    sql("SET enable_mergejoin = off")

    try:
        assert len(claimed(["default"], 3, worker)) == 3
    finally:
        sql("RESET enable_hashjoin")
        sql("RESET enable_mergejoin")


def test_a_paused_queue_gives_nothing_until_it_is_resumed(worker):
    id = tasks.noop.enqueue().id
    queue.pause("default", by="operator", reason="too fast")

    assert claimed(["default"], 10, worker) == []

    queue.resume("default", by="operator")
    assert claimed(["default"], 10, worker) == [id]


@pytest.mark.parametrize("state", [Worker.State.DEAD, Worker.State.STOPPED])
def test_a_worker_that_has_ended_gets_nothing(worker, state):
    tasks.noop.enqueue()
    Worker.objects.filter(id=worker).update(state=state)

    assert claimed(["default"], 10, worker) == []


def test_a_worker_whose_lease_has_run_out_gets_nothing(worker):
    tasks.noop.enqueue()
    sql("UPDATE tq_worker SET lease_expires_at = now() - interval '1 ms'")

    assert claimed(["default"], 10, worker) == []


def test_an_unknown_worker_gets_nothing(transactional_db):
    tasks.noop.enqueue()

    assert claimed(["default"], 10, uuid7()) == []


def test_two_claims_at_once_never_share_a_task(register):
    ids = tasks.noop.enqueue_many([()] * 300)
    got: list[str] = []

    def claim_all(worker: UUID) -> None:
        while batch := claimed(["default"], 7, worker):
            got.extend(batch)
        connection.close()

    threads = [threading.Thread(target=claim_all, args=(register(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(got) == sorted(ids)


def test_a_row_that_another_session_holds_is_skipped(worker):
    held, free = tasks.noop.enqueue_many([(), ()])
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM tq_task_live WHERE id = %s FOR UPDATE", [held])
        assert claimed(["default"], 10, worker) == [free]
        cursor.execute("ROLLBACK")
    other.close()

    assert claimed(["default"], 10, worker) == [held]


def plan(queues: list[str], worker: UUID) -> str:
    from tasks_app.queue.statements import text

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF) " + text("claim"),
            queue.Marks().stretches(queues) | {"limit": 100, "worker": worker},
        )
        lines = "\n".join(line for (line,) in cursor.fetchall())
        transaction.set_rollback(True)
    return lines


def test_the_claim_walks_its_index_and_reads_no_row_too_many(worker):
    tasks.noop.enqueue_many([()] * 5_000)
    sql("ANALYZE tq_task_live")

    lines = plan(["default", "mail"], worker)

    assert "Index Scan using tq_live_claim" in lines
    assert "Index Scan using tq_task_live_pkey" in lines
    assert "Seq Scan on tq_task_live" not in lines
    assert "rows=101" not in lines
