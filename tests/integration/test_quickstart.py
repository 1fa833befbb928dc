"""The quickstart's own code, run as it is written there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from django.utils import timezone

from tasks_app import queue, registry, testing
from tasks_app.models import Task
from tests.integration.queue.conftest import claim_one, register, sql, worker  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = Path("docs/quickstart.md").read_text()


def section(heading: str) -> str:
    return DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(heading: str) -> list[str]:
    """The Python of a section, one text a block."""
    return re.findall(r"```python\n(.*?)```", section(heading), re.DOTALL)


@pytest.fixture
def yourapp() -> Iterator[ModuleType]:
    """An empty module yourapp.tasks, into which the blocks are written."""
    package, module = ModuleType("yourapp"), ModuleType("yourapp.tasks")
    package.tasks = module  # type: ignore[attr-defined]
    sys.modules |= {"yourapp": package, "yourapp.tasks": module}
    yield module
    del sys.modules["yourapp"], sys.modules["yourapp.tasks"]
    for name in [name for name in registry.names() if name.startswith("yourapp.")]:
        del registry._tasks[name]


def attempted(task, *args) -> Task:
    """The task after its first attempt."""
    id = task.enqueue(*args).id
    testing.drain()
    return Task.objects.get(id=id)


RETRIES = "Retries and what a task may answer"
UNIQUE = "Unique tasks, expiry, priority, tags"


def test_a_task_is_made_with_the_options_of_the_first_example(yourapp):
    exec(blocks("A task")[0], vars(yourapp))

    assert attempted(yourapp.add, 1, 2).result == 3
    assert yourapp.notify.backoff.delay(1, 0.5) == 2.5
    assert attempted(yourapp.notify, 7).queue == "mail"


def test_every_option_of_a_task_is_in_the_table():
    listed = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"(?m)^\| (.*?) \|", section("A task"))))
    )
    options = set(registry.task.__kwdefaults__)

    assert listed == options - {"backend"}


def test_errors_are_retried_or_not_as_it_says(yourapp, tmp_path):
    exec(blocks(RETRIES)[0], vars(yourapp))
    (tmp_path / "file").write_text("one\ntwo\n")
    (tmp_path / "bytes").write_bytes(b"\xff")

    assert attempted(yourapp.count_lines, str(tmp_path / "file")).result == 2
    assert attempted(yourapp.count_lines, str(tmp_path)).state == "scheduled"  # IsADirectoryError
    for wrong in ("missing", "bytes"):
        row = attempted(yourapp.count_lines, str(tmp_path / wrong))
        assert (row.state, row.reason) == ("failed", "discarded")

    row = attempted(yourapp.fetch, 1)
    assert row.state == "scheduled"
    assert round((row.run_at - row.started_at).total_seconds()) == 120


def test_a_task_answers_as_it_says(yourapp):
    for block in blocks(RETRIES):
        exec(block, vars(yourapp))
    order = {"id": 7, "state": "paid", "address": "here", "weight": 1}

    def row(**changes):
        return attempted(yourapp.print_label, order | changes)

    assert row().result == "label of order 7"
    assert row(state="cancelled").state == "cancelled"
    snoozed = row(state="unpaid")
    assert (snoozed.state, snoozed.snoozes, snoozed.attempt) == ("scheduled", 1, 0)
    assert row(address="").reason == "discarded"
    retried = row(weight=0)
    assert (retried.state, retried.attempt) == ("scheduled", 1)
    assert retried.errors[0]["message"] == "not weighed yet"


def test_unique_tasks_expiry_priority_and_tags_do_as_it_says(yourapp, worker, capsys):  # noqa: F811
    tasks, calls = blocks(UNIQUE)
    exec(tasks, vars(yourapp))

    exec(calls, vars(yourapp))

    holder = capsys.readouterr().out.strip()
    assert Task.objects.get(id=holder).args == ["east"]
    assert Task.objects.get(name="yourapp.tasks.sync_account").kwargs == {"since": "friday"}
    charged = Task.objects.get(name="yourapp.tasks.charge")
    assert (charged.priority, charged.args) == (50, [7])
    assert timezone.now() < charged.expires_at < timezone.now() + timedelta(seconds=60)
    assert claim_one(worker).id == charged.id

    sql("UPDATE tq_task_live SET expires_at = now() WHERE state = 'ready'")
    assert queue.expire() == Task.objects.filter(reason="expired").count() > 0
