"""What Django Tasks promises, held by our backend; and the kit for users' own tests."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import override_settings

from tasks_app import attempt, compat, queue, testing
from tasks_app.compat import TaskResultStatus
from tasks_app.exceptions import InvalidArguments, UnknownTask
from tasks_app.models import Task
from tasks_app.registry import QueueTask, find
from tests.sample import plain, tasks

transactional = pytest.mark.django_db(transaction=True)


@transactional
def test_a_result_is_followed_from_ready_to_successful():
    result = tasks.add.enqueue(1, b=2)
    assert (result.status, result.attempts, result.is_finished) == (
        TaskResultStatus.READY,
        0,
        False,
    )
    with pytest.raises(ValueError, match="not finished"):
        result.return_value  # noqa: B018

    testing.drain()
    result.refresh()

    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 3)
    assert (result.attempts, result.args, result.kwargs) == (1, [1], {"b": 2})
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.task == tasks.add


@transactional
def test_a_failure_names_its_exception_class():
    result = tasks.fail.using(max_attempts=1).enqueue("wrong")

    testing.drain()
    result.refresh()

    assert result.status == TaskResultStatus.FAILED
    assert result.errors[-1].exception_class is ValueError
    assert "ValueError: wrong" in result.errors[-1].traceback


@transactional
def test_a_task_made_with_djangos_own_decorator_runs_unchanged():
    assert type(plain.double) is QueueTask

    result = plain.double.enqueue(21)
    testing.drain()
    result.refresh()

    assert result.return_value == 42


@transactional
def test_options_given_by_using_come_back_with_the_result():
    task = tasks.noop.using(priority=5, queue_name="mail")

    found = tasks.noop.get_result(task.enqueue().id)

    assert (found.task.priority, found.task.queue_name) == (5, "mail")
    assert (tasks.noop.priority, tasks.noop.queue_name) == (0, "default")


@transactional
def test_async_doors_work():
    async def enqueue_and_look():
        result = await tasks.add_later.aenqueue(1, 2)
        found = await tasks.add_later.aget_result(result.id)
        await sync_to_async(lambda: connection.close())()  # that of the thread behind sync_to_async
        return found

    assert asyncio.run(enqueue_and_look()).status == TaskResultStatus.READY


@transactional
@pytest.mark.parametrize("id", ["nonsense", "01a20c36-1ad9-7653-bd96-f9e3c17e7a84", ""])
def test_a_result_that_is_not_there_says_so(id):
    with pytest.raises(compat.TaskResultDoesNotExist):
        tasks.noop.get_result(id)


@transactional
def test_the_result_of_another_task_is_a_mismatch():
    id = tasks.noop.enqueue().id

    with pytest.raises(Exception, match="Task does not match"):
        tasks.add.get_result(id)


@transactional
def test_the_result_of_a_task_that_is_gone_says_which():
    spec = queue.Spec(name="gone.tasks.old")
    queue.enqueue([spec])

    with pytest.raises(UnknownTask, match=r"gone\.tasks\.old"):
        tasks.noop.get_result(str(spec.id))


@transactional
def test_task_enqueued_is_sent_with_the_backend_as_sender():
    seen = []

    def receive(sender, task_result, **kwargs):
        seen.append((sender, task_result.id))

    compat.task_enqueued.connect(receive)
    try:
        id = tasks.noop.enqueue().id
    finally:
        compat.task_enqueued.disconnect(receive)

    assert seen == [(type(tasks.noop.get_backend()), id)]


def test_find_suggests_the_nearest_name():
    with pytest.raises(UnknownTask, match=r"Did you mean tests\.sample\.tasks\.add"):
        find("tests.sample.tasks.ad")


def test_using_does_not_change_what_is_registered():
    tasks.noop.using(priority=9, max_attempts=7)

    assert find("tests.sample.tasks.noop") is tasks.noop


def test_a_task_must_be_a_function_of_a_module():
    with pytest.raises(compat.InvalidTask, match="module level"):
        tasks.task(lambda: None)


@transactional
def test_drain_runs_retries_that_are_due_and_leaves_the_later_ones():
    retried = tasks.fail_twice.using().enqueue()
    delayed = tasks.noop.using(run_after=timedelta(hours=1)).enqueue()

    testing.drain()

    assert Task.objects.get(id=retried.id).attempt >= 1
    assert Task.objects.get(id=delayed.id).state == "scheduled"


@pytest.mark.django_db
def test_drain_works_inside_a_test_case_that_never_commits():
    result = tasks.add.enqueue(1)

    assert testing.drain() == 1

    result.refresh()
    assert result.return_value == 2


@transactional
def test_drain_stops_at_its_limit():
    tasks.noop.enqueue_many([()] * 30)

    with pytest.raises(RuntimeError, match="more than 10 attempts"):
        testing.drain(limit=10)


def test_inline_runs_a_task_at_once_without_a_database():
    with testing.inline():
        result = tasks.add.using(run_after=timedelta(hours=1), max_attempts=5).enqueue(1, b=2)
        ids = tasks.add.enqueue_many([(1,), {"a": 2}])

    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 3)
    assert len(ids) == 2


def test_inline_refuses_what_the_real_backend_would():
    with testing.inline():
        with pytest.raises(InvalidArguments):
            tasks.add.enqueue()
        with pytest.raises(ValueError, match="NUL"):
            tasks.add.enqueue("\x00")


def test_the_dummy_backend_collects():
    tasks_setting = {"default": {"BACKEND": "tasks_app.testing.DummyBackend", "QUEUES": []}}

    with override_settings(TASKS=tasks_setting):
        tasks.add.using(priority=3).enqueue(1)
        (result,) = compat.task_backends["default"].results

    assert (result.task.priority, result.args) == (3, [1])


def test_our_decorator_works_under_a_backend_that_is_not_ours():
    theirs = compat.ImmediateBackend
    setting = {"default": {"BACKEND": f"{theirs.__module__}.{theirs.__name__}"}}

    with override_settings(TASKS=setting):
        task = tasks.task(max_attempts=5, timeout=3)(plain.triple)

        assert task.enqueue(3).return_value == 9


def test_importing_the_decorator_loads_no_model():
    """Settings and models import tasks: a task's module must not need the app registry."""
    import subprocess

    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "from tests.sample import plain\n"
        "import sys; assert 'tasks_app.models' not in sys.modules\n"
        "assert plain.double.max_attempts is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@transactional
def test_where_nobody_reads_info_a_failure_is_still_logged_by_djangos_own_receiver(
    monkeypatch, caplog
):
    monkeypatch.setattr(compat.task_log, "level", logging.ERROR)
    connected = [compat.task_started.receivers[:], compat.task_finished.receivers[:]]
    try:
        attempt.log_failures_only()
        tasks.noop.enqueue()
        tasks.fail.using(max_attempts=1).enqueue("wrong")
        with caplog.at_level(logging.ERROR, compat.task_log.name):
            testing.drain()
    finally:
        monkeypatch.setattr(attempt, "_failures_only", False)
        compat.task_started.receivers, compat.task_finished.receivers = connected

    (record,) = caplog.records
    assert "state=FAILED" in record.getMessage()
    assert record.exc_info[0] is ValueError
