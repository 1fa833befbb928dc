"""Connections that die silently, stall, or lose an answer on the way."""

from __future__ import annotations

import time

import psycopg
import pytest
from django.db import connection

from taskqueue_project.embedded.postgres import PostgresServer
from tasks_app.models import Task, Worker
from tests.chaos.ledger import all_succeeded, assert_one_outcome_each, executions
from tests.chaos.proxy import Link, Proxy, proxied
from tests.processes import children, database_url
from tests.sample import tasks
from tests.waiting import about_hints, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy(transactional_db):
    with proxied(database_url()) as proxy:
        yield proxy


def listens(link: Link) -> bool:
    return b"LISTEN tq_ready" in link.said


def picked_up_within(seconds: float) -> bool:
    id = tasks.noop.enqueue().id
    try:
        eventually(lambda: all_succeeded([id]), timeout=seconds)
    except AssertionError:
        return False
    return True


@about_hints
class TestSilentLifeline:
    """The worker hardly polls, so only hints lead it to work."""

    def test_a_lifeline_that_hears_nothing_any_more_is_replaced(self, manage, proxy: Proxy):
        worker = manage("impatient_worker", "--silence", "3", DATABASE_URL=proxy.url)
        eventually(lambda: Worker.objects.alive().exists(), timeout=20)
        assert picked_up_within(5)
        assert proxy.stall(listens) == 1
        missed = tasks.noop.enqueue().id
        assert not picked_up_within(1)

        eventually(lambda: "nothing was heard for 3 s" in worker.output, timeout=15)

        eventually(lambda: all_succeeded([missed]), timeout=10)
        assert picked_up_within(2)
        assert Worker.objects.count() == 1
        proxy.heal()
        worker.terminate()
        assert worker.wait() == 0

    def test_without_the_echo_it_would_stay_deaf(self, manage, proxy: Proxy):
        """Negative control: the same worker, that would wait an hour for an echo."""
        worker = manage("impatient_worker", "--silence", "3600", DATABASE_URL=proxy.url)
        eventually(lambda: Worker.objects.alive().exists(), timeout=20)
        assert picked_up_within(5)
        assert proxy.stall(listens) == 1

        assert not picked_up_within(8)

        proxy.heal()
        worker.terminate()
        assert worker.wait() == 0

    def test_a_lifeline_that_the_server_ends_is_replaced(self, manage):
        worker = manage("impatient_worker", "--silence", "60")
        eventually(lambda: Worker.objects.alive().exists(), timeout=20)
        assert picked_up_within(5)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%%pg_try_advisory_lock%%' AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchall() == [(True,)]

        eventually(lambda: "lifeline lost" in worker.output, timeout=5)

        assert eventually(lambda: picked_up_within(1), timeout=10)
        assert Worker.objects.alive().count() == 1
        worker.terminate()
        assert worker.wait() == 0


def test_a_worker_whose_database_stalls_leaves_before_its_lease_ends(manage, proxy, tmp_path):
    """TCP is up and nothing comes: no error would ever tell it."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    id = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    stalled = manage("runworker", "--threads", "1", DATABASE_URL=proxy.url, TASKQUEUE_LEASE="6")
    eventually(lambda: executions(ledger)["start"] == 1, timeout=20)
    (runner,) = children(stalled.pid)

    proxy.stall()
    began = time.monotonic()
    eventually(lambda: runner not in children(stalled.pid), timeout=10)

    assert time.monotonic() - began < 6
    assert "its lease ends soon; it leaves" in stalled.output
    other = manage("runworker", "--threads", "1")
    eventually(lambda: executions(ledger)["start"] == 2, timeout=20)
    gate.touch()
    eventually(lambda: all_succeeded([id]), timeout=10)
    proxy.heal()
    assert_one_outcome_each([id])
    task = Task.objects.get(id=id)
    assert task.crashes + task.lease_losses == 1
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=30)
    for process in (stalled, other):
        process.terminate()
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("marker", "runs"),
    [(b"-- Hands up to", 1), (b"-- Writes what became of attempts", 1)],
    ids=["claim", "finish"],
)
def test_a_claim_or_finish_whose_answer_is_lost_leaves_one_outcome(
    manage, proxy, tmp_path, marker, runs
):
    """The server has committed, and the connection dies before it can say so."""
    ledger = tmp_path / "ledger"
    # The statement is prepared in one message, and run in the next.
    proxy.swallow(marker, after=1)
    worker = manage("runworker", "--threads", "1", DATABASE_URL=proxy.url)
    eventually(lambda: Worker.objects.alive().exists(), timeout=20)

    ids = [tasks.record.enqueue(str(ledger), key).id for key in range(5)]

    eventually(lambda: all_succeeded(ids), timeout=20)
    assert proxy.swallowed == 1
    assert_one_outcome_each(ids)
    assert set(executions(ledger).values()) == {runs}
    worker.terminate()
    assert worker.wait() == 0


def test_enqueueing_never_fails_because_the_queue_of_notifications_is_full(
    manage, directory, tmp_path
):
    server = PostgresServer(directory / "postgres", settings={"max_notify_queue_pages": "64"})
    server.start()
    try:
        assert manage("migrate", "-v", "0", DATABASE_URL=server.url).wait(60) == 0
        with psycopg.connect(server.url, autocommit=True) as listener:
            listener.execute("LISTEN whatever")
            listener.execute("BEGIN")
            with pytest.raises(psycopg.Error, match="NOTIFY queue"):
                _fill(server.url)
            ledger = str(tmp_path / "ledger")
            producer = manage(
                "produce", "--ledger", ledger, "--tasks", "50", DATABASE_URL=server.url
            )
            assert producer.wait() == 0
            listener.execute("ROLLBACK")
            ((live,),) = listener.execute("SELECT count(*) FROM tq_task_live").fetchall()
        assert live == 50
        worker = manage("runworker", "--burst", DATABASE_URL=server.url)
        assert worker.wait() == 0
        assert sum(executions(tmp_path / "ledger").values()) == 50
    finally:
        server.stop(immediate=True)


def _fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as filler:
        for number in range(100_000):
            filler.execute("SELECT pg_notify('other', %s)", [f"{number:07000}"])
