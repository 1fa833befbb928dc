"""`manage.py enqueue`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks_app import compat, testing
from tasks_app.models import Task

pytestmark = pytest.mark.django_db

ADD = "tests.sample.tasks.add"


def enqueue(*arguments: str) -> str:
    out, err = StringIO(), StringIO()
    call_command("enqueue", *arguments, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def test_it_prints_the_id_alone_and_the_task_runs():
    out = enqueue(ADD, "--args", "[40]", "--kwargs", '{"b": 2}')

    testing.drain()

    row = Task.objects.get(id=UUID(out.removesuffix("\n")))
    assert (row.args, row.kwargs, row.result) == ([40], {"b": 2}, 42)


def test_options_are_the_tasks_own_unless_given():
    enqueue("tests.sample.tasks.mail", "--args", '["/dev/null", "x"]')
    row = Task.objects.get()
    assert (row.queue, row.priority, row.max_attempts, row.timeout, row.state) == (
        *("mail", 10, 3, None),
        "ready",
    )

    id = enqueue(
        *("tests.sample.tasks.mail", "--args", '["/dev/null", "x"]', "--queue", "reports"),
        *("--priority", "-5", "--max-attempts", "7", "--timeout", "2.5", "--delay", "3600"),
    )
    row = Task.objects.get(id=id.strip())
    assert (row.queue, row.priority, row.max_attempts, row.timeout, row.state) == (
        *("reports", -5, 7, 2.5),
        "scheduled",
    )
    assert abs(row.run_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


def test_it_sends_djangos_signal():
    heard = []

    def receive(sender, task_result, **_):
        heard.append(task_result.id)

    compat.task_enqueued.connect(receive)
    try:
        id = enqueue(ADD, "--args", "[1]")
    finally:
        compat.task_enqueued.disconnect(receive)

    assert heard == [id.strip()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tests.sample.tasks.ad"], "Did you mean tests.sample.tasks.add"),
        (["os.system", "--args", '["id"]'], "No task is registered as 'os.system'"),
        ([ADD], "missing a required argument: 'a'"),
        ([ADD, "--kwargs", '{"self": 1}'], "missing a required argument: 'a'"),
        ([ADD, "--args", "[1"], "--args is not JSON"),
        ([ADD, "--args", "1"], "--args must be a JSON array"),
        ([ADD, "--args", '{"a": 1}'], "--args must be a JSON array"),
        ([ADD, "--kwargs", "[1]"], "--kwargs must be a JSON object"),
        ([ADD, "--kwargs", '{"a": 1, "a": 2}'], "'a' stands twice"),
        ([ADD, "--args", "[NaN]"], "NaN"),
        ([ADD, "--args", r'["\u0000"]'], r"args\[0\] holds a NUL"),
        ([ADD, "--args", r'["\ud800"]'], r"args\[0\] holds a lone surrogate"),
        ([ADD, "--args", "[1e999]"], r"args\[0\] is inf"),
        ([ADD, "--args", "[" * 66 + "]" * 66], "nested too deeply"),
        ([ADD, "--args", "[1]", "--queue", "nowhere"], "nowhere"),
        ([ADD, "--args", "[1]", "--priority", "101"], "priority"),
        ([ADD, "--args", "[1]", "--priority", "x"], "invalid int value"),
        ([ADD, "--args", "[1]", "--max-attempts", "0"], "max_attempts=0"),
        ([ADD, "--args", "[1]", "--timeout", "-1"], "timeout=-1"),
        ([ADD, "--args", "[1]", "--timeout", "nan"], "timeout=nan"),
        ([ADD, "--args", "[1]", "--delay", "-1"], "--delay must be from 0"),
        ([ADD, "--args", "[1]", "--delay", "nan"], "--delay must be from 0"),
        ([ADD, "--args", "[1]", "--delay", "1e300"], "--delay must be from 0"),
        ([], "name"),
    ],
)
def test_what_is_wrong_is_said(arguments, message):
    with pytest.raises(CommandError, match=message):
        enqueue(*arguments)

    assert not Task.objects.exists()
