"""Workers: the list with what each runs, and the page of one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tasks_app.engine.states import State
from tasks_app.models import Worker
from tests.factories import make_task, make_worker

pytestmark = pytest.mark.django_db

LIST = reverse("admin:tasks_app_worker_changelist")


def test_lists_all_with_what_they_run_by_one_query(viewer):
    busy = make_worker("busy", slots=4)
    for _ in range(3):
        make_task(State.RUNNING, worker=busy)
    make_worker(
        "gone",
        state=Worker.State.DEAD,
        death="crashed",
        beat_at=timezone.now() - timedelta(hours=2),
    )

    with CaptureQueriesContext(connection) as queries:
        content = viewer.get(LIST).content.decode()

    assert ">3</a>" in content
    assert "gone" in content
    assert "crashed" in content
    assert "2 h ago" in content
    assert len([q for q in queries if "tq_task" in q["sql"]]) <= 1


def test_tabs_choose_a_state(viewer):
    make_worker("busy")
    make_worker("gone", state=Worker.State.DEAD, death="crashed")

    content = viewer.get(LIST, {"state__exact": "dead"}).content.decode()

    assert "gone" in content
    assert "busy" not in content


def test_a_worker_shows_its_running_tasks(viewer):
    worker = make_worker()
    task = make_task(State.RUNNING, worker=worker)
    other = make_task(State.RUNNING, worker=make_worker("other"))

    content = viewer.get(
        reverse("admin:tasks_app_worker_change", args=[worker.id])
    ).content.decode()

    assert str(task.id) in content
    assert str(other.id) not in content


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_worker_is_not_found(viewer, id):
    assert viewer.get(reverse("admin:tasks_app_worker_change", args=[id])).status_code == 404
