from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import connection

from tasks_app import queue
from tasks_app.models import Statistic, Task, Worker
from tasks_app.queue import LOCK_CLASS
from tasks_app.queue.statements import text
from tests.integration.queue.conftest import sql
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def lifeline(serial: int) -> Iterator[None]:
    """The advisory lock of a worker, held by a connection of its own."""
    line = connection.copy()
    with line.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_CLASS, serial])
        yield
    line.close()


def silence(worker: UUID, seconds: float) -> None:
    # The server of the tests has just been started: a beat this old must still be later than that.
    sql(
        "UPDATE tq_worker SET beat_at = now() - %s * interval '1 second' WHERE id = %s",
        seconds,
        worker,
    )


def state_of(worker: UUID) -> tuple[str, str | None]:
    row = Worker.objects.get(id=worker)
    return row.state, row.death


@pytest.fixture
def old_server(transactional_db: None) -> None:
    """Wait until the server has run longer than the silence that proves a death."""
    eventually(
        lambda: sql(
            "SELECT greatest(pg_postmaster_start_time(), max(backend_start)) < now() - interval '6 s'"
            " FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        )[0][0]
    )


def test_a_silent_worker_whose_lock_is_free_is_dead_and_its_task_ready(register, old_server):
    worker = register(direct=True)
    id = tasks.noop.enqueue().id
    queue.claim(["default"], 1, worker)
    silence(worker, 4)

    assert queue.rescue() == 1

    assert state_of(worker) == ("dead", "crashed")
    row = Task.objects.get(id=id)
    assert (row.state, row.fence, row.attempt, row.crashes, row.lease_losses) == (
        "ready",
        2,
        0,
        1,
        0,
    )
    assert row.errors[0]["exception_class"] == "tasks_app.exceptions.WorkerLost"


def test_a_worker_that_has_just_beaten_lives_whatever_its_lock(register, old_server):
    worker = register(direct=True)
    silence(worker, 2)

    queue.rescue()

    assert state_of(worker) == ("alive", None)


def test_a_silent_worker_that_holds_its_lock_lives_until_its_lease_ends(register, old_server):
    serial = queue.take_serial()
    with lifeline(serial):
        worker = register(direct=True, serial=serial)
        tasks.noop.enqueue()
        queue.claim(["default"], 1, worker)
        silence(worker, 20)
        queue.rescue()
        assert state_of(worker) == ("alive", None)

        sql("UPDATE tq_worker SET lease_expires_at = now() - interval '1 ms'")
        assert queue.rescue() == 1

    assert state_of(worker) == ("dead", "lease-expired")
    row = Task.objects.get()
    assert (row.crashes, row.lease_losses) == (0, 1)


def test_a_restart_of_the_server_which_frees_every_lock_kills_nobody(register, old_server):
    worker = register(direct=True)
    # The last beat is older than the server: no beat since the restart, which freed the lock.
    sql(
        "UPDATE tq_worker SET beat_at = pg_postmaster_start_time() - interval '1 s', lease_expires_at = now() + interval '9 s'"
    )

    queue.rescue()

    assert state_of(worker) == ("alive", None)


def test_without_a_direct_connection_the_lease_alone_decides(register, old_server):
    worker = register(direct=False)
    silence(worker, 20)

    queue.rescue()

    assert state_of(worker) == ("alive", None)


def test_a_dead_worker_never_lives_again(register):
    worker = register()
    queue.bury(worker)

    assert queue.beat(worker) is None
    assert queue.bury(worker) is False
    assert state_of(worker) == ("dead", "crashed")


def test_a_task_that_killed_its_worker_too_often_fails_as_poison(register):
    id = tasks.noop.enqueue().id
    for crashes in (1, 2, 3, 4):
        worker = register()
        assert len(queue.claim(["default"], 1, worker)) == 1
        queue.bury(worker)
        queue.rescue()
        row = Task.objects.get(id=id)
        assert row.crashes == crashes

    assert (row.state, row.reason, len(row.errors)) == ("failed", "poison", 4)
    assert set(Statistic.objects.values_list("outcome", "count")) == {("crashed", 1), ("failed", 1)}


def test_only_the_tasks_that_were_in_the_slots_of_a_dead_process_are_blamed(register):
    worker = register()
    tasks.noop.enqueue_many([()] * 5)
    claims = queue.claim(["default"], 5, worker)

    queue.bury(worker, started=[claims[0].id])
    queue.rescue()

    crashes = dict(Task.objects.values_list("id", "crashes"))
    assert crashes == {claim.id: int(claim is claims[0]) for claim in claims}


def test_a_worker_that_had_claimed_ahead_blames_no_task_when_nobody_saw_it_die(register):
    worker = register()  # one slot
    tasks.noop.enqueue_many([()] * 5)
    queue.claim(["default"], 5, worker)

    queue.bury(worker)
    queue.rescue()

    assert set(Task.objects.values_list("state", "crashes", "lease_losses")) == {("ready", 0, 1)}


def test_what_a_stopped_worker_left_goes_back_without_a_crash(register):
    worker = register()
    id = tasks.noop.enqueue().id
    queue.claim(["default"], 1, worker)
    queue.retire(worker)

    queue.rescue()

    row = Task.objects.get(id=id)
    assert (row.state, row.crashes, row.lease_losses) == ("ready", 0, 1)


def test_a_task_long_past_its_deadline_is_taken_from_a_live_worker(register):
    worker = register()
    overdue = tasks.noop.using(timeout=1).enqueue().id
    in_time = tasks.noop.using(timeout=60).enqueue().id
    queue.claim(["default"], 2, worker)
    sql("UPDATE tq_task_live SET deadline_at = now() - interval '20 s' WHERE id = %s", overdue)

    queue.rescue()

    assert Task.objects.get(id=overdue).state == "ready"
    assert Task.objects.get(id=in_time).state == "running"


def claim_and_declare_dead(register, claim_text: str) -> tuple[int, str]:
    """A claim under way while its worker is declared dead: how many tasks it got, and what the worker is then."""
    worker = register()
    tasks.noop.enqueue()
    claiming, declaring = connection.copy(), connection.copy()
    with claiming.cursor() as claim, declaring.cursor() as declare:
        claim.execute("BEGIN")
        claim.execute(
            claim_text,
            queue.Marks().stretches(["default"]) | {"limit": 1, "worker": worker},
        )
        got = len(claim.fetchall())
        sql("UPDATE tq_worker SET lease_expires_at = now() - interval '1 ms'")
        declare.execute("SET lock_timeout = '2s'")
        declare.execute(text("declare_dead"), {"silence": 3, "lock_class": LOCK_CLASS})
        declare.fetchall()
        state = state_of(worker)[0]
        claim.execute("COMMIT")
    claiming.close()
    declaring.close()
    return got, state


def test_a_worker_is_not_declared_dead_while_it_claims(register):
    got, state = claim_and_declare_dead(register, text("claim"))

    assert (got, state) == (1, "alive")
    queue.rescue()
    assert Task.objects.get().state == "ready"


def test_without_the_lock_on_its_row_a_dead_worker_would_claim(register):
    """Negative control: the claim then commits for a worker that is dead already."""
    unlocked = text("claim").replace("    FOR KEY SHARE\n", "")

    got, state = claim_and_declare_dead(register, unlocked)

    assert (got, state) == (1, "dead")


def test_two_rescuers_at_once_take_a_task_back_once(register):
    for _ in range(20):
        tasks.noop.enqueue()
    worker = register()
    queue.claim(["default"], 20, worker)
    queue.bury(worker)
    counts: list[int] = []

    def rescue() -> None:
        counts.append(queue.rescue())
        connection.close()

    threads = [threading.Thread(target=rescue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sum(counts) == 20
    assert set(Task.objects.values_list("fence", "state")) == {(2, "ready")}


def test_a_cancel_that_commits_while_a_rescue_waits_to_begin_is_seen_by_it(worker):
    """The rescue has its snapshot before the cancel commits: what it judges by is the row that it locks then."""
    id = tasks.noop.enqueue().id
    queue.claim(["default"], 1, worker)
    queue.bury(worker)
    other = connection.copy()
    # An advisory lock in the middle of the statement stands for the moment between snapshot and lock.
    paused = text("rescue").replace(
        "), found AS MATERIALIZED (",
        "), paused AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(7) FROM dead)"
        ", found AS MATERIALIZED (",
        1,
    )
    paused = paused.replace("(SELECT id FROM dead) OR", "(SELECT d.id FROM dead d, paused) OR", 1)
    answers: list[tuple] = []

    def rescue() -> None:
        with connection.cursor() as cursor:
            cursor.execute(paused, {"grace": 15.0, "limit": 10, "max_crashes": 3})
            answers.extend(cursor.fetchall())
        connection.close()

    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7)")
        thread = threading.Thread(target=rescue)
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: sql(waits) == [(1,)])
        queue.cancel([UUID(id)], by="ann")
        cursor.execute("SELECT pg_advisory_unlock(7)")
        thread.join(10)
    other.close()

    assert [ending for _, _, ending in answers] == ["cancelled"]
    assert Task.objects.get(id=id).state == "cancelled"
