from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tasks_app import compat, events, queue
from tasks_app.exceptions import InvalidArguments, InvalidPayload
from tasks_app.models import Queue, Task
from tests.sample import tasks
from tests.waiting import about_hints, eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_task_is_there_if_and_only_if_the_transaction_commits():
    with transaction.atomic():
        kept = tasks.noop.enqueue()
    with transaction.atomic():
        lost = tasks.noop.enqueue()
        transaction.set_rollback(True)

    assert Task.objects.filter(id=kept.id).exists()
    assert not Task.objects.filter(id=lost.id).exists()


def test_a_task_that_is_due_is_ready_and_keeps_its_options():
    task = tasks.add.using(
        queue_name="mail", priority=-7, max_attempts=9, timeout=2.5, run_after=timezone.now()
    )

    row = Task.objects.get(id=task.enqueue(1, b=2).id)

    assert (row.state, row.queue, row.priority, row.max_attempts, row.timeout) == (
        "ready",
        "mail",
        -7,
        9,
        2.5,
    )
    assert (row.args, row.kwargs, row.attempt, row.fence) == ([1], {"b": 2}, 0, 0)


@pytest.mark.parametrize(
    "run_after", [timedelta(hours=1), datetime(2999, 1, 1, tzinfo=UTC)], ids=["delay", "instant"]
)
def test_a_delayed_task_is_scheduled(run_after):
    result = tasks.noop.using(run_after=run_after).enqueue()

    row = Task.objects.get(id=result.id)
    assert row.state == "scheduled"
    assert row.run_at > timezone.now() + timedelta(minutes=59)


def test_enqueue_many_keeps_the_order_and_writes_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        ids = tasks.add.enqueue_many([(1,), {"a": 2, "b": 3}, (4, 5)])

    rows = Task.objects.in_bulk([UUID(id) for id in ids])
    assert [(rows[UUID(id)].args, rows[UUID(id)].kwargs) for id in ids] == [
        ([1], {}),
        ([], {"a": 2, "b": 3}),
        ([4, 5], {}),
    ]


def test_nothing_is_enqueued_when_one_of_many_is_invalid():
    with pytest.raises(InvalidArguments):
        tasks.add.enqueue_many([(1,), (), (3,)])
    with pytest.raises(InvalidArguments, match="'12' is neither a tuple"):
        tasks.add.enqueue_many([(1,), "12"])

    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "arguments", [((), {}), ((1, 2, 3), {}), ((1,), {"c": 1}), ((1,), {"a": 1})]
)
def test_arguments_that_do_not_fit_the_signature_are_refused(arguments):
    args, kwargs = arguments

    with pytest.raises(
        InvalidArguments, match=r"tests.sample.tasks.add\(a, b=1\) cannot be called"
    ):
        tasks.add.enqueue(*args, **kwargs)

    assert not Task.objects.exists()


@pytest.mark.parametrize("number", [1e16, 1.5e300, -1.7e308, 5e-324, 0.1, 10**63, 2.0])
def test_a_number_comes_back_as_the_number_and_the_type_it_was(number):
    row = Task.objects.get(id=tasks.add.enqueue(number).id)

    (came_back,) = row.args
    assert came_back == number
    assert type(came_back) is type(number)


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", float("nan"), object(), "x" * 1_100_000])
def test_arguments_that_cannot_be_stored_are_refused(value):
    with pytest.raises(InvalidPayload, match="args"):
        tasks.add.enqueue(value)

    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"priority": 101}, "priority must be a whole number"),
        ({"priority": True}, "priority=True: must be a whole number"),
        ({"run_after": datetime(9999, 12, 31, tzinfo=UTC)}, "must be in the years 2 to 9998"),
        ({"queue_name": "nowhere"}, "nowhere"),
        ({"max_attempts": 0}, "max_attempts=0: must be a whole number from 1 to 1,000"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"max_attempts": 2.5}, r"max_attempts=2\.5"),
        ({"timeout": -1}, "timeout=-1: must be seconds"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": "5"}, "timeout='5'"),
        ({"run_after": datetime(2030, 1, 1)}, "run_after must be an aware datetime"),  # noqa: DTZ001
    ],
)
def test_an_option_that_breaks_a_rule_is_refused(options, message):
    with pytest.raises(compat.InvalidTask, match=message):
        tasks.noop.using(**options)


@about_hints
def test_a_hint_leaves_after_commit_and_makes_the_queue_known():
    Queue.objects.filter(name="mail").delete()
    heard: list[str] = []

    def listen() -> None:
        line = connection.copy()
        line.connect()
        line.connection.execute("LISTEN tq_ready")
        listening.set()
        heard.extend(hint.payload for hint in line.connection.notifies(timeout=5, stop_after=1))
        line.close()

    listening = threading.Event()
    listener = threading.Thread(target=listen)
    listener.start()
    listening.wait(5)
    with transaction.atomic():
        tasks.noop.using(queue_name="mail").enqueue()
        assert not heard
    listener.join(5)

    assert heard == ["mail"]
    assert Queue.objects.filter(name="mail").exists()


def test_a_queue_whose_producer_died_before_its_hint_is_found():
    queue.enqueue([queue.Spec(name="x", queue="orphan")])
    queue.enqueue([queue.Spec(name="x", queue="other")])
    eventually(lambda: Queue.objects.filter(name="other").exists())
    events.stop()
    Queue.objects.all().delete()

    queue.find_queues()

    assert set(Queue.objects.values_list("name", flat=True)) == {"orphan", "other"}
