"""GET /tasks/{id}."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from tasks_app import queue, registry, testing
from tasks_app.models import Task
from tests.integration.api.conftest import TASKS, Program
from tests.sample import tasks

pytestmark = pytest.mark.django_db


def test_a_task_that_succeeded_shows_its_result_and_attempt(program: Program):
    id = tasks.add.enqueue(1, b=2).id
    testing.drain()
    row = Task.objects.get()

    body = program.get(f"{TASKS}/{id}").json()

    assert (body["id"], body["state"], body["reason"]) == (id, "succeeded", None)
    assert (body["args"], body["kwargs"], body["result"]) == ([1], {"b": 2}, 3)
    assert body["worker_id"] is None
    (attempt,) = body["attempts"]
    assert attempt == {
        "number": 1,
        "outcome": "succeeded",
        "worker_id": str(row.worker_ids[0]),
        "started_at": body["started_at"],
        "ended_at": body["finished_at"],
        "error": None,
    }


def test_a_task_that_failed_shows_every_attempt_with_its_error(program: Program):
    id = tasks.fail.using(max_attempts=1).enqueue("<b>no</b> 💥").id
    testing.drain()

    body = program.get(f"{TASKS}/{id}").json()

    assert (body["state"], body["reason"], body["result"]) == ("failed", "exhausted", None)
    (attempt,) = body["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "failed")
    assert attempt["error"]["exception_class"] == "builtins.ValueError"
    assert attempt["error"]["message"] == "<b>no</b> 💥"
    assert "raise ValueError(text)" in attempt["error"]["traceback"]
    started, ended = (datetime.fromisoformat(attempt[key]) for key in ("started_at", "ended_at"))
    assert started <= ended
    assert attempt["ended_at"].endswith("Z")


def test_a_running_task_shows_its_worker(program: Program):
    id = tasks.add.enqueue(1).id
    worker = uuid7()
    queue.register(
        queue.Registration(
            id=worker,
            serial=queue.take_serial(),
            direct=False,
            name="w",
            hostname="h",
            pid=1,
            queues=[],
            capabilities=registry.names(),
            slots=1,
        )
    )
    queue.claim(["default"], 1, worker)

    body = program.get(f"{TASKS}/{id}").json()

    assert (body["state"], body["worker_id"]) == ("running", str(worker))
    assert body["attempts"][0]["outcome"] == "running"
    assert body["attempts"][0]["worker_id"] == str(worker)
    assert body["attempts"][0]["ended_at"] is None


def test_a_task_whose_function_is_gone_can_be_seen(program: Program):
    spec = queue.Spec(name="shop.tasks.gone", args='["x"]')
    queue.enqueue([spec])

    assert program.get(f"{TASKS}/{spec.id}").json()["name"] == "shop.tasks.gone"


@pytest.mark.parametrize("form", [str, lambda id: id.hex, lambda id: str(id).upper()])
def test_an_id_may_be_written_otherwise(form, program: Program):
    id = UUID(tasks.add.enqueue(1).id)

    assert program.get(f"{TASKS}/{form(id)}").json()["id"] == str(id)


@pytest.mark.parametrize(
    "id",
    [
        "2ddb29b9-7a73-4782-a0eb-0e5afe84b22f",
        "5",
        "x",
        "%00",
        "..",
        "a/b",
        "' OR 1=1",
        "%F0%9F%92%A5",
        "0" * 5000,
    ],
)
def test_an_unknown_or_malformed_id_is_404(id, program: Program):
    response = program.get(f"{TASKS}/{id}")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"


def test_it_takes_two_queries(program: Program, django_assert_num_queries):
    id = tasks.add.enqueue(1).id
    program.get(TASKS)

    with django_assert_num_queries(2):
        program.get(f"{TASKS}/{id}")


def test_a_query_is_refused(program: Program):
    id = tasks.add.enqueue(1).id

    assert program.get(f"{TASKS}/{id}?fields=args").status_code == 400
