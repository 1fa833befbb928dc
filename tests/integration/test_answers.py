"""What a task answers instead of a value, and which errors it is run again after: from the function to the row."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings

from tasks_app import Backoff, Cancel, Discard, Retry, Snooze, attempt, compat, queue, testing
from tasks_app.compat import InvalidTask, TaskResultStatus
from tasks_app.engine.outcomes import Raised, Snoozed, Withdrawn
from tasks_app.engine.states import MAX_SNOOZES
from tasks_app.exceptions import TaskCancelled
from tasks_app.models import Statistic, Task
from tests.integration.queue.conftest import claim_one, register, sql, worker  # noqa: F401
from tests.sample import tasks
from workers_app.sandbox import attempt_alone

CANCELLED = "tasks_app.exceptions.TaskCancelled"

pytestmark = pytest.mark.django_db(transaction=True)

every_way = pytest.mark.parametrize(
    "task",
    [
        tasks.answer,
        tasks.answer_in_context,
        tasks.answer_later,
        tasks.answer_later_in_context,
    ],
    ids=lambda task: task.name,
)
either = pytest.mark.parametrize("raised", [False, True], ids=["returned", "raised"])


def run(task: Any, *args: Any) -> Task:
    """The task after its first attempt."""
    id = task.enqueue(*args).id
    assert testing.drain() == 1
    return Task.objects.get(id=id)


def run_again(task: Task) -> Task:
    """The task after another attempt, for which it is not waited."""
    sql("UPDATE tq_task_live SET run_at = now() - interval '1 ms' WHERE id = %s", task.id)
    assert testing.drain() == 1
    return Task.objects.get(id=task.id)


def waits(task: Task) -> float:
    """Seconds from the start of the last attempt until the next, rounded."""
    return round((task.run_at - task.started_at).total_seconds())


def counted() -> Counter[str]:
    found: Counter[str] = Counter()
    for row in Statistic.objects.all():
        found[row.outcome] += row.count
    return found


class TestSnooze:
    @every_way
    @either
    def test_it_is_run_later_and_the_attempt_does_not_count(self, task, raised):
        row = run(task, "Snooze", {"seconds": 40}, raised)

        assert (row.state, row.reason, row.attempt, row.snoozes) == ("scheduled", None, 0, 1)
        assert (waits(row), row.errors, row.worker_ids) == (40, [], [])
        assert counted() == {"snoozed": 1}

    def test_the_next_attempt_has_the_same_number(self):
        row = run_again(run(tasks.answer_in_context, "Snooze", {"seconds": 40}))

        assert (row.state, row.attempt, row.snoozes, row.fence) == ("scheduled", 0, 2, 2)
        assert counted() == {"snoozed": 2}

    def test_a_task_with_one_attempt_may_snooze(self):
        row = run(tasks.answer.using(max_attempts=1), "Snooze", {"seconds": 40})

        assert row.state == "scheduled"

    def test_no_wait_is_not_no_snooze(self):
        tasks.answer.enqueue("Snooze", {"seconds": 0})

        with pytest.raises(RuntimeError, match="more than 3 attempts"):
            testing.drain(limit=3)

        assert Task.objects.get().snoozes == 4

    @pytest.mark.parametrize(
        ("before", "state", "after"),
        [
            (MAX_SNOOZES - 1, "scheduled", MAX_SNOOZES),
            (MAX_SNOOZES, "failed", MAX_SNOOZES),
        ],
    )
    def test_a_task_that_snoozes_for_ever_fails_in_the_end(self, before, state, after):
        tasks.answer.enqueue("Snooze", {"seconds": 40})
        sql("UPDATE tq_task_live SET snoozes = %s", before)

        testing.drain()

        row = Task.objects.get()
        assert (row.state, row.snoozes) == (state, after)
        if state == "failed":
            assert (row.reason, row.attempt) == ("exhausted", 1)
            assert row.errors[-1]["message"] == "Snoozed more than 10,000 times."
            assert counted() == {"failed": 1}


class TestRetry:
    @every_way
    @either
    def test_it_is_run_again_by_its_backoff_and_the_attempt_counts(self, task, raised):
        row = run(task, "Retry", {"reason": "locked"}, raised)

        assert (row.state, row.attempt, row.snoozes, waits(row)) == ("scheduled", 1, 0, 60)
        (error,) = row.errors
        assert (error["exception_class"], error["message"], error["traceback"]) == (
            "tasks_app.Retry",
            "locked",
            "",
        )
        assert counted() == {"retried": 1}

    @every_way
    @either
    def test_it_may_say_when(self, task, raised):
        row = run(task, "Retry", {"after": 7}, raised)

        assert (row.state, row.attempt, waits(row)) == ("scheduled", 1, 7)

    @pytest.mark.parametrize("arguments", [{}, {"after": 7}, {"after": 0}])
    def test_after_the_last_attempt_it_fails_as_exhausted(self, arguments):
        row = run(tasks.answer.using(max_attempts=1), "Retry", {**arguments, "reason": "locked"})

        assert (row.state, row.reason, row.attempt) == ("failed", "exhausted", 1)
        assert row.errors[-1]["message"] == "locked"

    def test_every_attempt_that_asked_for_another_is_kept(self):
        row = run_again(run(tasks.answer, "Retry", {"reason": "locked"}))

        assert (row.state, row.reason) == ("failed", "exhausted")
        assert [error["attempt"] for error in row.errors] == [1, 2]
        assert counted() == {"retried": 1, "failed": 1}

    def test_it_does_not_depend_on_retry_on(self):
        assert run(tasks.retried_on_nothing).state == "scheduled"

    def test_nor_on_discard_on(self):
        row = run(tasks.retried_only_when_it_asks)

        assert (row.state, waits(row)) == ("scheduled", 60)

    def test_a_backoff_of_its_own_gets_to_see_it(self):
        """And may refuse: Retry() leaves the wait to the backoff, which is None here."""
        row = run(tasks.ask_for_another_attempt_that_its_backoff_refuses)

        assert (row.state, row.reason) == ("failed", "discarded")


class TestDiscard:
    @every_way
    @either
    @pytest.mark.parametrize("reason", ["", "no such order"])
    def test_it_fails_though_attempts_are_left(self, task, raised, reason):
        row = run(task, "Discard", {"reason": reason}, raised)

        assert (row.state, row.reason, row.attempt) == ("failed", "discarded", 1)
        (error,) = row.errors
        assert (error["exception_class"], error["message"]) == ("tasks_app.Discard", reason)
        assert counted() == {"failed": 1}


class TestCancel:
    @every_way
    @either
    def test_it_ends_as_cancelled_without_a_word(self, task, raised):
        row = run(task, "Cancel", {}, raised)

        assert (row.state, row.reason, row.attempt, row.result) == ("cancelled", None, 1, None)
        assert row.errors == []
        assert counted() == {"cancelled": 1}

    @every_way
    @either
    def test_its_reason_is_kept(self, task, raised):
        row = run(task, "Cancel", {"reason": "the order was paid"}, raised)

        assert (row.state, row.reason) == ("cancelled", None)
        (error,) = row.errors
        assert (error["exception_class"], error["message"]) == (
            "tasks_app.Cancel",
            "the order was paid",
        )

    def test_for_django_tasks_it_failed(self):
        result = tasks.answer.get_result(run(tasks.answer, "Cancel", {"reason": "paid"}).id)

        assert result.status == TaskResultStatus.FAILED
        assert [e.exception_class for e in result.errors] == [Cancel, TaskCancelled]


@pytest.mark.parametrize("answer", [Snooze, Retry, Discard, Cancel])
def test_a_task_that_was_asked_to_end_is_cancelled_whatever_it_answers(answer, worker):  # noqa: F811
    arguments = {"seconds": 40} if answer is Snooze else {}
    id = tasks.answer.enqueue(answer.__name__, arguments).id
    claim = claim_one(worker)
    queue.cancel([claim.id], by="ann")

    outcome = attempt.attempt(claim, asyncio.run)
    queue.finish([queue.Finish(claim, claim.decide(outcome), ran=0.1)])

    assert Task.objects.get(id=id).state == "cancelled"


@pytest.mark.parametrize(
    ("kind", "state", "path"),
    [
        ("NotNow", "scheduled", None),
        ("NotMine", "failed", "tests.sample.tasks.NotMine"),
    ],
)
def test_a_class_of_ones_own_is_an_answer_of_its_kind_and_kept_under_its_own_name(
    kind, state, path
):
    row = run(tasks.answer_with_its_own_class, kind)

    assert row.state == state
    assert [error["exception_class"] for error in row.errors] == ([path] if path else [])
    if path:
        result = tasks.answer_with_its_own_class.get_result(row.id)
        assert result.errors[-1].exception_class is tasks.NotMine


class TestPolicy:
    @pytest.mark.parametrize(
        ("task", "name", "retried"),
        [
            (tasks.retried_on_os_errors, "OSError", True),
            (tasks.retried_on_os_errors, "PermissionError", True),  # a subclass
            (tasks.retried_on_os_errors, "ValueError", False),
            (tasks.retried_on_os_errors, "FileNotFoundError", False),  # discard_on decides
            (tasks.retried_on_os_errors, "EOFError", False),
            (tasks.retried_on_os_errors, "SystemExit", False),
            (tasks.discarded_on_lookup_and_arithmetic_errors, "ValueError", True),
            (tasks.discarded_on_lookup_and_arithmetic_errors, "SystemExit", True),
            (tasks.discarded_on_lookup_and_arithmetic_errors, "KeyError", False),
            (tasks.discarded_on_lookup_and_arithmetic_errors, "ZeroDivisionError", False),
            (tasks.retried_on_nothing, "ValueError", False),
        ],
    )
    def test_the_class_of_an_error_says_whether_there_is_another_attempt(self, task, name, retried):
        row = run(task, name)

        if retried:
            assert (row.state, row.attempt, waits(row)) == ("scheduled", 1, 60)
        else:
            assert (row.state, row.reason, row.attempt) == ("failed", "discarded", 1)
        (error,) = row.errors
        assert error["exception_class"] == f"builtins.{name}"
        assert "as told" in error["traceback"]

    @pytest.mark.parametrize(
        ("task", "state", "reason"),
        [
            (tasks.discarded_on_timeout, "failed", "timeout"),
            (tasks.retried_on_timeout, "scheduled", None),
            (tasks.retried_on_all_but_timeout, "failed", "timeout"),
        ],
        ids=lambda value: getattr(value, "name", None),
    )
    def test_a_timeout_has_a_class_too(self, task, state, reason):
        row = run(task)

        assert (row.state, row.reason, row.attempt) == (state, reason, 1)
        assert row.errors[0]["exception_class"] == "tasks_app.exceptions.TaskTimeout"

    def test_a_retried_error_fails_as_exhausted_in_the_end(self):
        row = run_again(run(tasks.retried_on_os_errors, "OSError"))

        assert (row.state, row.reason, row.attempt) == ("failed", "exhausted", 2)

    def test_an_error_of_the_queue_that_the_task_itself_met_is_an_error_like_others(self):
        """That it could not enqueue something does not mean that its own work is done."""
        row = run(tasks.enqueue_what_is_no_json)

        assert (row.state, waits(row)) == ("scheduled", 60)
        (error,) = row.errors
        assert error["exception_class"] == "tasks_app.engine.payload.InvalidPayload"
        assert "enqueue_what_is_no_json" in error["traceback"]

    def test_but_a_result_that_is_no_json_is_not_worth_another_attempt(self):
        row = run(tasks.return_object.using(max_attempts=3))

        assert (row.state, row.reason) == ("failed", "discarded")
        assert row.errors[0]["exception_class"] == "tasks_app.exceptions.InvalidResult"

    @pytest.mark.parametrize(
        ("seconds", "wait"), [(7, 7), (0.0, 0), (-5, 0), (10**9, 30 * 24 * 3600)]
    )
    def test_a_backoff_of_ones_own_says_how_long(self, worker, seconds, wait):  # noqa: F811
        tasks.fail_and_wait_as_told.enqueue(seconds)

        outcome = attempt.attempt(claim_one(worker), asyncio.run)

        assert (type(outcome), outcome.retry_after) == (Raised, wait)

    def test_or_that_there_is_no_other(self):
        row = run(tasks.fail_and_wait_as_told, None)

        assert (row.state, row.reason) == ("failed", "discarded")

    @pytest.mark.parametrize(
        ("task", "args"),
        [
            (tasks.fail_and_wait_as_told, ["soon"]),
            (tasks.fail_and_wait_as_told, [True]),
            (tasks.fail_with_a_backoff_that_exits, []),
        ],
    )
    def test_a_backoff_that_fails_is_replaced_by_the_default(self, worker, caplog, task, args):  # noqa: F811
        task.enqueue(*args)

        with caplog.at_level(logging.ERROR, attempt.__name__):
            outcome = attempt.attempt(claim_one(worker), asyncio.run)

        assert outcome.error.exception_class == "builtins.ValueError"
        assert 0 <= outcome.retry_after <= Backoff().base
        assert f"{task.module_path}: its backoff failed" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"retry_on": "OSError"}, "retry_on='OSError': must be an exception class or a tuple"),
        ({"retry_on": [OSError]}, "retry_on=.*: must be an exception class or a tuple"),
        ({"discard_on": (OSError, 5)}, "discard_on=.*: must be an exception class or a tuple"),
        ({"discard_on": OSError()}, "discard_on=.*: must be an exception class or a tuple"),
        ({"backoff": "5"}, "backoff='5': must be a number of seconds, a Backoff, or a callable"),
        ({"backoff": None}, "backoff=None: must be"),
        ({"backoff": -1}, r"Backoff\.base=-1"),
    ],
)
def test_a_policy_that_is_none_is_refused_where_the_task_is_made(wrong, said):
    with pytest.raises(InvalidTask, match=said):
        tasks.task(**wrong)(tasks.noop.func)


class TestSignals:
    @pytest.fixture
    def finished(self) -> Iterator[list[tuple[Any, list[str]]]]:
        """(status, classes of the errors) of every result that task_finished was sent with."""
        seen: list[tuple[Any, list[str]]] = []

        def receive(sender: object, task_result: Any, **kwargs: object) -> None:
            errors = [error.exception_class_path for error in task_result.errors]
            seen.append((task_result.status, errors))

        compat.task_finished.connect(receive)
        yield seen
        compat.task_finished.disconnect(receive)

    @either
    @pytest.mark.parametrize(
        ("kind", "arguments", "errors"),
        [
            ("Discard", {}, ["tasks_app.Discard"]),
            ("Cancel", {}, [CANCELLED]),
            ("Cancel", {"reason": "paid"}, ["tasks_app.Cancel", CANCELLED]),
        ],
    )
    def test_task_finished_is_sent_for_an_answer_that_ends_the_task(
        self, finished, kind, arguments, errors, raised
    ):
        run(tasks.answer, kind, arguments, raised)

        assert finished == [(TaskResultStatus.FAILED, errors)]

    @either
    @pytest.mark.parametrize(("kind", "arguments"), [("Snooze", {"seconds": 40}), ("Retry", {})])
    def test_it_is_not_sent_for_one_after_which_the_task_goes_on(
        self, finished, kind, arguments, raised
    ):
        run(tasks.answer, kind, arguments, raised)

        assert finished == []

    def test_it_is_sent_once_when_a_retry_is_the_last(self, finished):
        run_again(run(tasks.answer, "Retry", {}))

        assert finished == [(TaskResultStatus.FAILED, ["tasks_app.Retry"] * 2)]

    def test_the_result_of_a_failed_task_holds_no_value(self):
        values: list[Any] = []

        def receive(sender: object, task_result: Any, **kwargs: object) -> None:
            values.append(task_result._return_value)

        compat.task_finished.connect(receive)
        try:
            run(tasks.return_object)
            run(tasks.answer, "Discard", {})
        finally:
            compat.task_finished.disconnect(receive)

        assert values == [None, None]


@every_way
@either
@pytest.mark.parametrize("kind", ["Snooze", "Retry", "Discard", "Cancel"])
def test_run_in_place_a_task_has_one_attempt_and_every_answer_ends_it(task, raised, kind):
    arguments = {"seconds": 40} if kind == "Snooze" else {}
    with testing.inline():
        result = task.enqueue(kind, arguments, raised)

    assert result.status == TaskResultStatus.FAILED
    assert [error.exception_class for error in result.errors] == [tasks.ANSWERS[kind]]


def test_collected_a_task_is_not_run_whatever_it_would_answer():
    dummy = {"default": {"BACKEND": "tasks_app.testing.DummyBackend"}}

    with override_settings(TASKS=dummy):
        result = tasks.answer.enqueue("Discard", {})

    assert result.status == TaskResultStatus.READY


@pytest.mark.parametrize(
    ("task", "kind", "arguments", "raised", "outcome", "wait"),
    [
        (tasks.answer, "Snooze", {"seconds": 40}, True, Snoozed, 40),
        (tasks.answer_later_in_context, "Retry", {"after": 7}, False, Raised, 7),
        (tasks.answer_in_context, "Discard", {"reason": "no"}, False, Raised, None),
        (tasks.answer_later, "Cancel", {"reason": "no"}, True, Withdrawn, None),
    ],
    ids=["Snooze", "Retry", "Discard", "Cancel"],
)
def test_an_answer_is_the_same_from_a_process_of_its_own(
    worker,  # noqa: F811
    task,
    kind,
    arguments,
    raised,
    outcome,
    wait,
):
    task.enqueue(kind, arguments, raised)
    claim = replace(claim_one(worker), crashes=1)

    alone = attempt_alone(claim)

    assert alone == attempt.attempt(claim, asyncio.run)
    assert type(alone) is outcome
    assert (alone.seconds if outcome is Snoozed else getattr(alone, "retry_after", None)) == wait
