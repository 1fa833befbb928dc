"""Locks in the way of the verbs: of each other, of callers' transactions, of operators; and stricter isolation by default."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from psycopg import sql as compose
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from tasks_app import events, queue
from tasks_app.engine.outcomes import AttemptError, Raised, Succeeded
from tasks_app.engine.states import State
from tasks_app.models import Task, Worker
from tasks_app.queue import Answer, Claim, Finish, statements
from tests.chaos.ledger import all_succeeded, assert_one_outcome_each, executions
from tests.factories import make_worker
from tests.processes import database_url
from tests.protocol.invariants import broken
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")

LOCK = "SELECT FROM tq_task_live WHERE id = %s FOR UPDATE"
LOCK_KEY = "SELECT FROM tq_unique WHERE task_id = %s FOR UPDATE"


def sql(statement: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def waiting() -> int:
    """Sessions that wait for a lock."""
    sql("SELECT pg_stat_clear_snapshot()")  # within a transaction the view would not change
    ((count,),) = sql(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return int(count)


@contextmanager
def transaction_of_another() -> Iterator[psycopg.Connection]:
    """In it a deadlock is never noticed first: the other side of it is ended."""
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("BEGIN")
        other.execute("SET LOCAL deadlock_timeout = '60s'")
        yield other


class Threads:
    """Work at the same time, each on a connection of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=16)

    def start(self, work: Callable[[], T]) -> Future[T]:
        def run() -> T:
            try:
                return work()
            finally:
                connection.close()

        return self._pool.submit(run)

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    threads.close()


@pytest.fixture
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PostgreSQL ends for another's sake is an error at once."""
    monkeypatch.setattr(statements, "TRIES", 1)


def replace_text(
    monkeypatch: pytest.MonkeyPatch, statement: str, old: str, new: str, count: int = -1
) -> None:
    text = statements.text
    changed = text(statement).replace(old, new, count)
    assert changed != text(statement)
    monkeypatch.setattr(
        statements, "text", lambda name: changed if name == statement else text(name)
    )


def enqueue(count: int) -> list[UUID]:
    return sorted(UUID(id) for id in tasks.once.enqueue_many([(n,) for n in range(count)]))


def finished(claims: list[Claim]) -> dict[tuple[UUID, int], Answer]:
    """Answers to a batch of successes: what is busy is repeated, as workers do."""
    answers: dict[tuple[UUID, int], Answer] = {}

    def nothing_is_busy() -> bool:
        left = [claim for claim in claims if claim.key not in answers]
        given = queue.finish([Finish(c, c.decide(Succeeded("1")), ran=0.1) for c in left])
        answers.update({key: said for key, said in given.items() if said is not Answer.BUSY})
        return len(answers) == len(claims)

    eventually(nothing_is_busy, timeout=20)
    return answers


class TestVerbsInOppositeOrders:
    """Each is given the same tasks in an order of its own."""

    def meet(self, threads: Threads, ids: list[UUID]) -> list[Future[queue.Report]]:
        """A cancel and a reprioritisation, stopped half-way by a lock on the task in the middle."""
        with transaction_of_another() as other:
            other.execute(LOCK, [ids[1]])
            cancel = threads.start(lambda: queue.cancel(ids, by="ann"))
            eventually(lambda: waiting() == 1)
            raised = threads.start(lambda: queue.reprioritise(ids[::-1], 5, by="bob"))
            eventually(lambda: waiting() == 2)
            other.execute("COMMIT")
        return [cancel, raised]

    def test_two_that_meet_half_way_wait_for_each_other_in_one_direction(
        self, threads, no_second_try
    ):
        ids = enqueue(3)

        cancel, raised = self.meet(threads, ids)

        assert cancel.result(20).done.keys() == set(ids)
        assert raised.result(20).refused == dict.fromkeys(ids, State.CANCELLED)

    def test_if_one_locked_in_the_order_it_was_given_they_would_deadlock(
        self, threads, no_second_try, monkeypatch
    ):
        """Negative control: the same without the common order."""
        replace_text(monkeypatch, "reprioritise", "ORDER BY id", "ORDER BY id DESC")

        errors = [future.exception(20) for future in self.meet(threads, enqueue(3))]

        (error,) = [error for error in errors if error is not None]
        assert isinstance(error.__cause__, DeadlockDetected)

    def test_finish_cancel_rescue_and_more_at_once_leave_every_outcome_one_answer(
        self, threads, no_second_try
    ):
        seed = time.time_ns() % 1_000_000
        print(f"{seed=}")
        draw = random.Random(seed).sample
        given: Counter[Answer] = Counter()

        for _ in range(5):
            given += self.all_at_once(threads, draw)

        assert given.keys() == {Answer.ACCEPTED, Answer.STALE}

    def all_at_once(self, threads: Threads, draw: Callable[[list, int], list]) -> Counter[Answer]:
        """54 running and 6 waiting tasks; a third of the running ones are of a worker that dies."""
        ids = enqueue(60)
        workers = [make_worker(f"worker-{n}").id for n in range(3)]
        claims = [claim for worker in workers for claim in queue.claim(["default"], 18, worker)]
        mixed = draw(claims, len(claims))

        def rescue() -> None:
            queue.bury(workers[0], ids)
            queue.rescue()

        finishes = [partial(finished, mixed[:27]), partial(finished, mixed[27:])]
        acts: list[Callable[[], object]] = [
            partial(queue.cancel, draw(ids, 20), by="ann"),
            partial(queue.discard, draw(ids, 20), by="ann"),
            partial(queue.purge, draw(ids, 10), by="ann"),
            partial(queue.reprioritise, draw(ids, 60), 5, by="ann"),
            partial(queue.retry, draw(ids, 60), by="ann"),
            rescue,
        ]
        barrier = threading.Barrier(len(finishes) + len(acts))

        def at_once(work: Callable[[], T]) -> Future[T]:
            def meet() -> T:
                barrier.wait(20)
                return work()

            return threads.start(meet)

        answering = [at_once(finish) for finish in finishes]
        for acting in [at_once(act) for act in acts]:
            acting.result(30)
        answers = answering[0].result(30) | answering[1].result(30)

        assert answers.keys() == {claim.key for claim in claims}
        tasks_now = Task.objects.in_bulk(ids)
        for (id, fence), answer in answers.items():
            if (task := tasks_now.get(id)) is None:  # purged
                continue
            if answer is Answer.ACCEPTED:
                assert (task.state, task.fence) == ("succeeded", fence)
            else:
                assert task.state in ("ready", "cancelled", "failed")
                assert task.fence == fence + 1
        assert broken(sql) == {}
        queue.purge(ids, by="ann")
        Worker.objects.all().delete()
        return Counter(answers.values())


def finish_with_a_retry(claims: list[Claim]) -> None:
    error = AttemptError("builtins.ValueError", "no", "")
    queue.finish([Finish(c, c.decide(Raised(error, 60.0)), ran=0.1) for c in claims])


def resume(claims: list[Claim]) -> None:
    assert not claims
    queue.resume_name(tasks.fail.module_path, by="bob")


class TestActThatWaitsForAnother:
    """Its statement began while the task was in a state in which the act is not legal; it gets the newest."""

    CASES = [
        (queue.retry, finish_with_a_retry),
        (partial(queue.reschedule, run_at=timezone.now()), finish_with_a_retry),
        (partial(queue.reschedule, run_at=timezone.now()), resume),
    ]

    def meet(
        self, threads: Threads, act: Callable[..., queue.Report], other: Callable[..., None]
    ) -> Future[queue.Report]:
        ids = [UUID(tasks.fail.enqueue().id)]
        if other is resume:
            queue.pause_name(tasks.fail.module_path, by="bob")
        claims = queue.claim(["default"], 1, make_worker().id)
        with transaction.atomic():
            other(claims)
            future = threads.start(lambda: act(ids, by="ann"))
            eventually(lambda: waiting() == 1)
        return future

    @pytest.mark.parametrize(("act", "other"), CASES)
    def test_it_is_done(self, act, other, threads):
        report = self.meet(threads, act, other).result(20)

        assert list(report.done.values()) == [State.READY if other is resume else State.SCHEDULED]
        assert Task.objects.get().state == "ready"

    @pytest.mark.parametrize(("act", "other"), CASES)
    def test_if_it_left_alone_what_is_null_in_both_it_would_break_a_check(
        self, act, other, threads, monkeypatch
    ):
        """Negative control of the test above."""
        statement = "retry" if act is queue.retry else "reschedule"
        replace_text(monkeypatch, statement, "reason = NULL, worker_id = NULL", "fence = fence")

        assert isinstance(self.meet(threads, act, other).exception(20), IntegrityError)


class TestDeadlockWithACaller:
    """A caller's transaction takes locks in whatever order it likes, so a deadlock can be; a verb is then run again."""

    ACTS = {
        "cancel": lambda ids: queue.cancel(ids, by="ann"),
        "reprioritise": lambda ids: queue.reprioritise(ids, 5, by="ann"),
        "purge": lambda ids: queue.purge(ids, by="ann"),
    }

    def deadlock(
        self, threads: Threads, verb: Callable[[], T], first: tuple[str, UUID], then: UUID
    ) -> Future[T]:
        with transaction_of_another() as other:
            other.execute(first[0], [first[1]])
            future = threads.start(verb)
            eventually(lambda: waiting() == 1)
            # Within the second after which the verb's session looks for a deadlock.
            other.execute(LOCK, [then])
            other.execute("COMMIT")
        return future

    @pytest.mark.parametrize("act", ACTS)
    def test_an_act_that_was_ended_is_run_again_and_reports(self, act, threads):
        first, second = ids = enqueue(2)
        before = deadlocks()

        future = self.deadlock(threads, lambda: self.ACTS[act](ids), (LOCK, second), first)

        assert future.result(20).done.keys() == set(ids)
        # A session reports what it counted when it ends.
        eventually(lambda: deadlocks() == before + 1)

    @pytest.mark.parametrize("act", ACTS)
    def test_without_a_second_try_the_deadlock_would_be_the_callers(
        self, act, threads, no_second_try
    ):
        """Negative control of the test above."""
        first, second = ids = enqueue(2)

        future = self.deadlock(threads, lambda: self.ACTS[act](ids), (LOCK, second), first)

        error = future.exception(20)
        assert isinstance(error, OperationalError)
        assert isinstance(error.__cause__, DeadlockDetected)
        assert set(Task.objects.values_list("state", flat=True)) == {"ready"}

    def finish(self, threads: Threads) -> Future[dict[tuple[UUID, int], Answer]]:
        """By a worker's own session; the caller holds the unique key that the finish frees, and wants the task."""
        enqueue(2)
        claims = queue.claim(["default"], 2, make_worker().id)
        id = claims[0].id

        def work() -> dict[tuple[UUID, int], Answer]:
            statements.dedicate()
            return finished(claims)

        return self.deadlock(threads, work, (LOCK_KEY, id), id)

    def test_a_batch_of_outcomes_that_was_ended_is_written_again(self, threads):
        answers = self.finish(threads).result(20)

        assert list(answers.values()) == [Answer.ACCEPTED] * 2
        assert Task.objects.filter(state="succeeded").count() == 2
        assert sql("SELECT * FROM tq_unique") == []

    def test_without_a_second_try_the_batch_would_be_an_error(self, threads, no_second_try):
        """Negative control of the test above."""
        error = self.finish(threads).exception(20)

        assert isinstance(error, OperationalError)
        assert isinstance(error.__cause__, DeadlockDetected)

    def test_a_caller_that_replaces_two_waiting_tasks_and_a_cancel_of_both(self, threads):
        """By the product's own verbs alone: the cancel is ended, and done when the caller has committed."""
        ids = [UUID(tasks.sync_account.enqueue(name, 1).id) for name in ("first", "second")]
        half_way, go_on = threading.Event(), threading.Event()

        def replace_both() -> None:
            with transaction.atomic():
                sql("SET LOCAL deadlock_timeout = '60s'")
                tasks.sync_account.enqueue("second", 2)
                half_way.set()
                assert go_on.wait(20)
                tasks.sync_account.enqueue("first", 2)

        replaced = threads.start(replace_both)
        assert half_way.wait(20)
        cancelled = threads.start(lambda: queue.cancel(ids, by="ann"))
        eventually(lambda: waiting() == 1)
        go_on.set()

        replaced.result(20)
        assert cancelled.result(20).done == dict.fromkeys(ids, State.READY)
        assert [task.args[1] for task in Task.objects.filter(state="cancelled")] == [2, 2]


def deadlocks() -> int:
    ((count,),) = sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(count)


@pytest.fixture(params=["repeatable read", "serializable"])
def stricter(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[None]:
    """Every session of the database begins with this isolation, unless it says otherwise."""
    database = compose.Identifier(connection.settings_dict["NAME"])
    change = compose.SQL("ALTER DATABASE {} SET default_transaction_isolation TO {}")
    reset = compose.SQL("ALTER DATABASE {} RESET default_transaction_isolation")
    with psycopg.connect(database_url(), autocommit=True) as session:
        session.execute(change.format(database, compose.Literal(request.param)))
        connection.close()
        events.stop()
        assert sql("SHOW default_transaction_isolation") == [(request.param,)]
        yield
        session.execute(reset.format(database))
    connection.close()
    events.stop()


class TestStricterIsolation:
    def meet(self, threads: Threads) -> Future[queue.Report]:
        """Another changes a task and commits while an act waits for it."""
        (id,) = enqueue(1)
        with transaction_of_another() as other:
            other.execute("UPDATE tq_task_live SET priority = 1, rank = -1 WHERE id = %s", [id])
            future = threads.start(lambda: queue.reprioritise([id], 5, by="ann"))
            eventually(lambda: waiting() == 1)
            other.execute("COMMIT")
        return future

    def test_a_verb_is_read_committed_whatever_the_default(self, threads, stricter, no_second_try):
        assert len(self.meet(threads).result(20).done) == 1

    def test_by_the_default_it_would_fail(self, threads, stricter, no_second_try, monkeypatch):
        """Negative control: the same without its own word."""
        monkeypatch.setattr(statements, "OWN_TRANSACTION", statements.LIMITS.format(scope="LOCAL"))

        error = self.meet(threads).exception(20)

        assert isinstance(error, OperationalError)
        assert isinstance(error.__cause__, SerializationFailure)

    def test_what_could_not_be_serialized_is_run_again(self, threads, stricter, monkeypatch):
        monkeypatch.setattr(statements, "OWN_TRANSACTION", statements.LIMITS.format(scope="LOCAL"))

        assert len(self.meet(threads).result(20).done) == 1

    def test_a_workers_own_sessions_are_read_committed(self, threads, stricter):
        def work() -> list[tuple]:
            statements.dedicate()
            queue.promote()
            return sql("SHOW transaction_isolation")

        assert threads.start(work).result(20) == [("read committed",)]

    def test_two_enqueues_of_one_key_at_once_make_one_task(self, threads, stricter, no_second_try):
        """The second waits for the first one's key, which it could not see when it began."""
        with transaction.atomic():
            first = tasks.once.enqueue(1).id
            second = threads.start(lambda: tasks.once.enqueue(1).id)
            eventually(lambda: waiting() == 1)

        assert second.result(20) == first
        assert Task.objects.count() == 1

    def test_by_the_default_the_second_enqueue_would_fail(
        self, threads, stricter, no_second_try, monkeypatch
    ):
        """Negative control of the test above."""
        monkeypatch.setattr(statements, "OWN_TRANSACTION", statements.LIMITS.format(scope="LOCAL"))
        with transaction.atomic():
            tasks.once.enqueue(1)
            second = threads.start(lambda: tasks.once.enqueue(1).id)
            eventually(lambda: waiting() == 1)

        error = second.exception(20)
        assert isinstance(error, OperationalError)
        assert isinstance(error.__cause__, SerializationFailure)

    def test_workers_producers_and_operators_at_once_lose_nothing(
        self, threads, stricter, manage, tmp_path: Path
    ):
        ledger = tmp_path / "ledger"
        worker = manage("runworker", "--processes", "2", "--threads", "2")
        eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)
        ends = time.monotonic() + 4

        def produce(number: int) -> list[str]:
            ids: list[str] = []
            while time.monotonic() < ends:
                key = f"{number}-{len(ids)}"
                ids.append(tasks.record.enqueue(str(ledger), key).id)
                with transaction.atomic():
                    ids += tasks.record.enqueue_many([(str(ledger), f"{key}-{n}") for n in (1, 2)])
                ids += tasks.record.using(run_after=timedelta(seconds=0.1)).enqueue_many(
                    [(str(ledger), f"{key}-{n}") for n in range(3, 30)]
                )
                tasks.once.enqueue(len(ids) % 3)
            return ids

        def operate() -> int:
            done = 0
            while time.monotonic() < ends:
                live = Task.objects.filter(state__in=["scheduled", "ready", "running"])
                ids = list(live.values_list("id", flat=True)[:20])
                done += len(queue.reprioritise(ids, random.randint(-5, 5), by="ann").done)
                done += len(queue.retry(ids, by="ann").done)
                done += len(queue.reschedule(ids, timezone.now(), by="ann").done)
                queue.pause("default", by="ann")
                queue.resume("default", by="ann")
                queue.pause_name(tasks.record.module_path, by="ann")
                queue.resume_name(tasks.record.module_path, by="ann")
            return done

        producers = [threads.start(lambda n=n: produce(n)) for n in range(2)]
        operators = [threads.start(operate) for _ in range(2)]

        ids = [id for producer in producers for id in producer.result(30)]
        assert all(operator.result(30) for operator in operators)
        eventually(lambda: all_succeeded(ids), timeout=60)
        eventually(lambda: not sql("SELECT 1 FROM tq_task_live"), timeout=10)
        assert_one_outcome_each(ids)
        assert sum(executions(ledger).values()) == len(ids)
        assert broken(sql) == {}
        assert "without an answer" not in worker.output
        assert "database" not in worker.output
        assert Worker.objects.alive().count() == Worker.objects.count() == 2
        worker.terminate()
        assert worker.wait() == 0


class TestLockedTable:
    """An operator, or a migration, holds the whole live table."""

    HELD = 7.0

    def test_workers_wait_without_piling_up_and_go_on(self, manage, tmp_path):
        ledger, gate = tmp_path / "ledger", tmp_path / "gate"
        running = [tasks.wait_for_file.enqueue(str(ledger), n, str(gate)).id for n in range(2)]
        worker = manage("runworker", "--processes", "2", "--threads", "2")
        eventually(lambda: executions(ledger)["start"] == 2, timeout=20)
        eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)
        due = tasks.noop.using(run_after=timedelta(seconds=1)).enqueue_many([()] * 50)
        events.flush()
        seen: list[int] = []

        with psycopg.connect(database_url(), autocommit=True) as operator:
            operator.execute("BEGIN")
            operator.execute("LOCK TABLE tq_task_live")
            gate.touch()
            ends = time.monotonic() + self.HELD
            eventually(
                lambda: seen.append(waiting()) or time.monotonic() > ends, timeout=2 * self.HELD
            )
            operator.execute("ROLLBACK")

        eventually(lambda: all_succeeded([*running, *due]), timeout=20)
        # The claim loop, the completer and the upkeep of each runner.
        assert 2 < max(seen) <= 6
        assert worker.output.count("claim without an answer: canceling statement due to lock") == 2
        assert_one_outcome_each([*running, *due])
        assert executions(ledger)["start"] == 2
        assert Worker.objects.alive().count() == Worker.objects.count() == 2
        assert not Task.objects.exclude(crashes=0, lease_losses=0).exists()
        worker.terminate()
        assert worker.wait() == 0

    def test_a_claim_gives_up_and_without_a_limit_it_would_wait_on(self, threads, monkeypatch):
        worker = make_worker().id

        def claim() -> list[Claim]:
            statements.dedicate()
            return queue.claim(["default"], 1, worker)

        with psycopg.connect(database_url(), autocommit=True) as operator:
            operator.execute("BEGIN")
            operator.execute("LOCK TABLE tq_task_live")
            with monkeypatch.context() as patched:
                patched.setattr(statements, "OWN_SESSION", statements.PLANS)
                unlimited = threads.start(claim)
                eventually(lambda: waiting() == 1)
            began = time.monotonic()
            error = threads.start(claim).exception(20)
            took = time.monotonic() - began
            assert isinstance(error, OperationalError)
            assert isinstance(error.__cause__, LockNotAvailable)
            assert 4 < took < 7
            assert not unlimited.done()
            operator.execute("ROLLBACK")

        assert unlimited.result(20) == []
