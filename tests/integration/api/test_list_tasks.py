"""GET /tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks_app import queue, registry, testing
from tasks_app.api import filters
from tasks_app.models import Task
from tests.integration.api.conftest import TASKS, Program, parameters
from tests.sample import tasks

pytestmark = pytest.mark.django_db


def listed(program: Program, **query: Any) -> list[str]:
    response = program.get(f"{TASKS}?{urlencode(query, doseq=True)}")
    assert response.status_code == 200, response.content
    return [task["id"] for task in response.json()["items"]]


def pages(program: Program, url: str) -> list[list[str]]:
    found = []
    while url:
        page = program.get(url).json()
        found.append([task["id"] for task in page["items"]])
        url = page["next"]
    return found


def claim_one(*queues: str) -> tuple[UUID, UUID]:
    """The ids of a new worker and of the task that it has claimed."""
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
    (claim,) = queue.claim(queues, 1, worker)
    return worker, claim.id


def test_it_lists_live_and_ended_tasks_newest_first(program: Program):
    ended = tasks.add.enqueue(1).id
    testing.drain()
    live = tasks.add.enqueue(2).id

    assert listed(program) == [live, ended]


def test_an_item_has_neither_arguments_nor_result_nor_errors(program: Program):
    id = tasks.add.enqueue(1).id
    testing.drain()
    item = program.get(TASKS).json()["items"][0]
    row = Task.objects.get()

    assert item == {
        "id": id,
        "name": "tests.sample.tasks.add",
        "queue": "default",
        "priority": 0,
        "state": "succeeded",
        "reason": None,
        "attempt": 1,
        "max_attempts": 3,
        "timeout": None,
        "worker_id": None,
        "enqueued_at": row.enqueued_at.isoformat().replace("+00:00", "Z"),
        "run_at": row.run_at.isoformat().replace("+00:00", "Z"),
        "started_at": row.started_at.isoformat().replace("+00:00", "Z"),
        "finished_at": row.finished_at.isoformat().replace("+00:00", "Z"),
        "tags": [],
    }


def test_it_is_empty_when_there_is_nothing(program: Program):
    assert program.get(TASKS).json() == {"items": [], "next": None}


def test_state_may_be_given_more_than_once(program: Program):
    done = tasks.add.enqueue(1).id
    failed = tasks.return_object.enqueue().id
    testing.drain()
    ready = tasks.add.enqueue(2).id
    later = tasks.add.using(run_after=timedelta(hours=1)).enqueue(3).id

    assert listed(program, state="succeeded") == [done]
    assert listed(program, state="failed") == [failed]
    assert listed(program, state="ready") == [ready]
    assert listed(program, state=["ready", "scheduled"]) == [later, ready]
    assert listed(program, state=["scheduled", "failed"]) == [later, failed]
    assert listed(program, state="running") == []


def test_queue_and_name_filter(program: Program):
    add = tasks.add.enqueue(1).id
    later = tasks.add_later.enqueue(1, 2).id
    mail = tasks.mail.enqueue("/dev/null", "x").id

    assert listed(program, queue="mail") == [mail]
    assert listed(program, queue="nowhere") == []
    assert listed(program, name="tests.sample.tasks.add") == [add]
    assert listed(program, name="tests.sample.tasks.add*") == [later, add]
    assert listed(program, name="tests.sample.tasks.*", queue="default") == [later, add]
    assert listed(program, name="*") == [mail, later, add]


@pytest.mark.parametrize(
    "name", ["tests_sample.tasks.add", "%add%*", "tests.sample.tasks.a_d*", "\\*", "TESTS*"]
)
def test_a_name_is_no_pattern_but_for_the_star_at_its_end(name, program: Program):
    tasks.add.enqueue(1)

    assert listed(program, name=name) == []


def test_a_worker_is_found_by_what_it_runs_and_ran(program: Program):
    first, second = tasks.add.enqueue(1).id, tasks.mail.enqueue("/dev/null", "x").id
    worker, claimed = claim_one("default")
    assert str(claimed) == first
    testing.drain()

    assert listed(program, worker=worker) == [first]
    drained_by = Task.objects.get(id=second).worker_ids[0]
    assert listed(program, worker=drained_by) == [second]
    assert listed(program, worker=uuid7()) == []


def test_times_of_enqueueing_are_a_half_open_range(program: Program):
    ids = [tasks.add.enqueue(n).id for n in range(3)]
    at = Task.objects.get(id=ids[0]).enqueued_at
    with connection.cursor() as cursor:
        for n, id in enumerate(ids):  # one transaction, one time
            cursor.execute(
                "UPDATE tq_task_live SET enqueued_at = %s WHERE id = %s",
                [at + timedelta(seconds=n), id],
            )
    second = (at + timedelta(seconds=1)).isoformat()

    assert listed(program, enqueued_after=second) == [ids[2], ids[1]]
    assert listed(program, enqueued_before=second) == [ids[0]]
    assert listed(program, enqueued_after=second, enqueued_before=second) == []
    assert listed(program, enqueued_after="0002-01-01T00:00:00Z") == ids[::-1]
    assert listed(program, enqueued_before="9998-01-01T00:00:00Z") == ids[::-1]


def test_pages_follow_each_other_without_gap_or_repetition(program: Program):
    ids = [tasks.noop.enqueue().id for _ in range(7)]
    testing.drain()
    ids += [tasks.noop.enqueue().id for _ in range(6)]
    ids.reverse()

    assert pages(program, f"{TASKS}?limit=5") == [ids[:5], ids[5:10], ids[10:]]
    assert pages(program, f"{TASKS}?limit=13") == [ids]
    assert pages(program, f"{TASKS}?limit=1&state=ready") == [[id] for id in ids[:6]]


def test_pages_are_stable_when_tasks_come_and_go_between_them(program: Program):
    ids = [tasks.noop.enqueue().id for _ in range(6)][::-1]

    first = program.get(f"{TASKS}?limit=2").json()
    tasks.noop.enqueue()
    testing.drain()  # every task moves to history
    tasks.noop.enqueue()
    rest = pages(program, first["next"])

    assert [task["id"] for task in first["items"]] == ids[:2]
    assert rest == [ids[2:4], ids[4:]]


def test_the_next_page_keeps_the_filters(program: Program):
    mails = [tasks.mail.enqueue("/dev/null", "x").id for _ in range(3)][::-1]
    tasks.noop.enqueue()

    assert pages(program, f"{TASKS}?queue=mail&state=ready&state=failed&limit=2&name=tests.*") == [
        mails[:2],
        mails[2:],
    ]


def test_a_search_stops_after_a_window_and_goes_on_from_there(program: Program, monkeypatch):
    monkeypatch.setattr(filters, "WINDOW", 3)
    rare = tasks.mail.enqueue("/dev/null", "x").id
    for _ in range(6):
        tasks.noop.enqueue()

    assert pages(program, f"{TASKS}?queue=mail") == [[], [], [rare]]
    assert pages(program, f"{TASKS}?state=failed&state=ready&queue=mail") == [[], [], [rare]]
    assert len(pages(program, f"{TASKS}?state=ready&limit=200")) == 1


@pytest.mark.parametrize("limit", [1, 200])
def test_the_limit_has_its_bounds(limit, program: Program):
    assert program.get(f"{TASKS}?limit={limit}").status_code == 200
    assert parameters(program.get(f"{TASKS}?limit={limit + (1 if limit > 1 else -1)}")) == ["limit"]


def test_a_page_has_50_unless_told_otherwise(program: Program):
    tasks.noop.enqueue_many([()] * 51)

    page = program.get(TASKS).json()

    assert len(page["items"]) == 50
    assert len(program.get(page["next"]).json()["items"]) == 1


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=5.5", "limit"),
        ("limit=-1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=5&limit=6", "limit"),
        ("state=dead", "state"),
        ("state=ready&state=dead", "state"),
        ("state=", "state"),
        ("state=READY", "state"),
        ("worker=5", "worker"),
        ("cursor=5", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cursor"),
        ("cursor=%F0%9F%92%A5", "cursor"),
        ("queue=a&queue=b", "queue"),
        ("queue=%00", "queue"),
        ("name=a%00*", "name"),
        ("name=", "name"),
        ("enqueued_after=2030-01-01", "enqueued_after"),
        ("enqueued_after=2030-01-01T00:00:00+00:00", "enqueued_after"),
        ("enqueued_before=9999-12-31T23:59:59Z", "enqueued_before"),
        ("enqueued_before=soon", "enqueued_before"),
        ("colour=red", "colour"),
        ("offset=5", "offset"),
        ("ordering=name", "ordering"),
        ("format=api", "format"),
        ("state__in=ready", "state__in"),
        ("args__contains=1", "args__contains"),
        ("%ED%A0%80=1", "\ufffd\ufffd\ufffd"),
    ],
)
def test_a_query_that_is_wrong_is_named(query, named, program: Program):
    response = program.get(f"{TASKS}?{query}")

    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert parameters(response) == [named]


def test_everything_wrong_with_a_query_is_said_at_once(program: Program):
    assert parameters(program.get(f"{TASKS}?limit=0&worker=x&state=dead")) == [
        "state",
        "worker",
        "limit",
    ]


@pytest.mark.parametrize("query", ["", "state=ready", "state=ready&state=failed&queue=default"])
def test_queries_do_not_grow_with_rows(query, program: Program, django_assert_num_queries):
    url = f"{TASKS}?{query}"
    program.get(url)
    expected = 3 if "queue" in query else 2  # the key, the window, the page

    tasks.noop.enqueue_many([()] * 2)
    with django_assert_num_queries(expected):
        program.get(url)
    tasks.noop.enqueue_many([()] * 100)
    with django_assert_num_queries(expected):
        assert len(program.get(url).json()["items"]) == 50


def explain(**query: Any) -> str:
    wanted = filters.TaskFilter(query, Task.objects.all())
    assert wanted.is_valid(), wanted.errors
    return str(
        wanted._narrow(wanted.queryset.newest_first(), ("state", *wanted.SEEKS))[:51].explain()
    )


def test_a_page_is_read_along_the_indexes_of_both_halves(db: None):
    tasks.noop.enqueue_many([()] * 2000)
    for _ in range(2):
        tasks.noop.enqueue_many([()] * 500)
        testing.drain()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tq_task_live, tq_task_history")

    everything = explain()
    assert "Merge Append" in everything
    assert "Sort  " not in everything
    assert "Seq Scan" not in everything

    failed = explain(state=["failed"])
    assert "tq_task_live" not in failed
    assert "tq_task_history" not in explain(state=["ready"])
    assert "Index Cond" in explain(enqueued_after=timezone.now().isoformat())


def test_a_head_request_has_no_body(program: Program):
    tasks.noop.enqueue()

    response = program.client.head(f"{TASKS}?limit=1", headers=program.headers)

    assert (response.status_code, response.content) == (200, b"")
