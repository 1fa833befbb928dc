"""The home page and the frame behind it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from analytics_app import queries
from tasks_app import queue
from tasks_app.engine.states import State
from tasks_app.queue.statements import text
from tests.factories import an_error, make_queue, make_statistic, make_task, make_worker

pytestmark = pytest.mark.django_db


def read():
    return queries.pulse.latest(max_age=0)["full"]


def test_with_nothing_in_it_all_is_well():
    full = read()

    assert full["level"] == "ok"
    assert full["sentence"] == "All is well: no worker is alive, nothing waits"
    assert full["tiles"]["oldest"] == "none"


def test_shows_what_there_is(viewer):
    worker = make_worker(slots=8, capabilities=["a.b"])
    make_task()
    make_task(State.RUNNING, worker=worker)
    make_task(State.FAILED, errors=[an_error(message="it broke")])
    make_worker("dead", state="dead", death="crashed")

    tiles = read()["tiles"]
    content = viewer.get(reverse("admin:index")).content.decode()

    assert (tiles["waiting"], tiles["running"], tiles["slots"], tiles["workers"]) == (
        "1",
        "1",
        "8",
        "1",
    )
    assert "ValueError: it broke" in content
    assert 'data-seq="' in content


def test_says_what_needs_somebody():
    make_task(run_at=timezone.now() - timedelta(minutes=4))
    make_task(State.GATED)

    full = read()

    assert full["level"] == "bad"
    assert full["sentence"] == "3 things need you"
    assert full["needs"] == [
        "no worker is alive and tasks wait",
        "queue default is 4 m behind",
        "1 task is gated: no live worker knows the name",
    ]


def test_a_paused_queue_is_no_alarm():
    make_task(queue="mail", run_at=timezone.now() - timedelta(minutes=4))
    queue.pause("mail", by="operator", reason="move")
    make_worker()

    full = read()

    assert full["level"] == "ok"
    assert "paused: mail" in full["sentence"]
    assert next(row["paused"] for row in full["queues"] if row["name"] == "mail").endswith(
        "by operator: move"
    )


def test_counts_ended_attempts():
    now = timezone.now()
    for seconds in range(1, 11):
        make_statistic("succeeded", 8, now - timedelta(seconds=seconds))
        make_statistic("failed", 2, now - timedelta(seconds=seconds))
    make_statistic("retried", 50, now - timedelta(seconds=3))
    make_statistic("failed", 5, now - timedelta(minutes=30))
    make_statistic("failed", 7, now - timedelta(minutes=70))

    full = read()

    assert full["tiles"]["done"] in ("10.0", "9.0")  # a second may begin meanwhile
    assert full["tiles"]["failed"] == "25"
    assert full["needs"] == ["20% of what ended in the last 5 minutes failed"]
    assert len(full["chart"]["rates"]) == queries.BARS
    assert full["chart"]["paths"]["again"].count("M") == 1


def test_statistics_that_are_committed_late_are_counted_once():
    make_statistic("failed", 5, timezone.now() - timedelta(seconds=5))
    assert read()["tiles"]["failed"] == "5"

    make_statistic("failed", 2, timezone.now() - timedelta(seconds=5))

    assert read()["tiles"]["failed"] == "7"
    assert read()["tiles"]["failed"] == "7"


def test_pollers_share_one_read(viewer):
    first = viewer.get(reverse("admin:pulse")).json()
    with CaptureQueriesContext(connection) as captured:
        second = viewer.get(reverse("admin:pulse")).json()

    assert second["seq"] == first["seq"]
    assert not [q for q in captured if "tq_task" in q["sql"]]


def test_frames_are_numbered_upwards():
    assert queries.pulse.latest(max_age=0)["seq"] < queries.pulse.latest(max_age=0)["seq"]


def test_the_cost_does_not_grow_with_what_waits():
    """By plan: every scan of live tasks or history walks an index."""
    make_queue("default")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tq_task_live
                (id, name, queue, backend, priority, state, position, args, kwargs, max_attempts)
            SELECT gen_random_uuid(), 'a.b', 'default', 'default', n % 3, 'ready', n, '[]', '{}', 3
            FROM generate_series(1, 30000) AS n
            """
        )
        cursor.execute("ANALYZE tq_task_live")
        plans = []
        with CaptureQueriesContext(connection) as captured:
            full = read()
        for query in captured:
            # Parameters of the prepared statement stand in it as $1 and so on: it is explained with its own.
            if "tq_task" in query["sql"] and "$1" not in query["sql"]:
                cursor.execute("EXPLAIN " + query["sql"])
                plans += [line for (line,) in cursor.fetchall()]
        limits = {"names": None, "max_queues": 1_000, "limit": 10_001}
        cursor.execute("EXPLAIN " + text("backlog"), limits)
        plans += [line for (line,) in cursor.fetchall()]

    assert full["tiles"]["waiting"] == "10,001+"
    assert plans
    assert not [line for line in plans if "Seq Scan on tq_task_live" in line]
