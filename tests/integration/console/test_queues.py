"""Queues: their numbers, and pausing and resuming them."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tasks_app import backlog, queue
from tasks_app.engine.states import State
from tasks_app.models import Queue
from tests.factories import make_queue, make_task

pytestmark = pytest.mark.django_db

LIST = reverse("admin:tasks_app_queue_changelist")
PAUSE = reverse("admin:tasks_app_queue_pause")
RESUME = reverse("admin:tasks_app_queue_resume")
HOME = reverse("admin:index")


def test_counts_by_one_query_however_many_queues(viewer):
    for name in ("a", "b", "c"):
        make_task(queue=name)

    with CaptureQueriesContext(connection) as queries:
        viewer.get(LIST)

    assert len([q for q in queries if "tq_task" in q["sql"]]) == 1


def test_counts_live_tasks_by_state_and_finds_the_oldest_wait():
    make_task(queue="mail", priority=5)
    make_task(queue="mail", priority=-5, run_at="2026-01-01T00:00:00Z")
    for state in (State.RUNNING, State.SCHEDULED, State.GATED, State.SUCCEEDED):
        make_task(state, queue="mail")
    make_queue("empty")

    found = {row.name: row for row in backlog.read(["mail", "empty"])}

    mail, empty = found["mail"], found["empty"]
    assert (mail.waiting, mail.running, mail.scheduled, mail.gated) == (2, 1, 1, 1)
    assert mail.oldest_wait > 3600
    assert (empty.waiting, empty.running, empty.oldest_wait) == (0, 0, None)


def test_counting_stops_at_the_cap(monkeypatch):
    monkeypatch.setattr(backlog, "CAP", 2)
    for _ in range(4):
        make_task()
        make_task(State.SCHEDULED)

    rows = backlog.read(["default"])

    assert rows[0].waiting == 3
    assert backlog.table(rows)[0]["waiting"] == "2+"
    assert backlog.table(rows)[0]["scheduled"] == "3+"


@pytest.mark.django_db(transaction=True)  # resuming wakes workers from another thread
@pytest.mark.parametrize("back", [HOME, LIST])
def test_the_buttons_pause_and_resume(operator, back):
    make_queue("mail")
    operator.get(HOME)

    answer = operator.post(PAUSE, {"queue": "mail", "reason": "printer on fire", "next": back})

    mail = Queue.objects.get(name="mail")
    assert answer.url == back
    assert mail.paused
    assert mail.pause_reason == "printer on fire"
    assert mail.paused_by == User.objects.get().username
    assert b"printer on fire" in operator.get(HOME).content
    assert LogEntry.objects.get().get_change_message() == "Paused: printer on fire"

    operator.post(RESUME, {"queue": "mail"})

    assert not Queue.objects.get(name="mail").paused
    assert LogEntry.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_actions_pause_and_resume_several(operator):
    for name in ("a", "b"):
        make_queue(name)
    chosen = {"_selected_action": ["a", "b"], "reason": "move", "index": "0"}

    operator.post(LIST, {"action": "pause_selected", **chosen})
    assert {q.name for q in Queue.objects.paused()} == {"a", "b"}
    assert {q.pause_reason for q in Queue.objects.paused()} == {"move"}

    operator.post(LIST, {"action": "resume_selected", **chosen})
    assert not Queue.objects.paused().exists()
    assert LogEntry.objects.count() == 4


@pytest.mark.parametrize("url", [PAUSE, RESUME])
def test_needs_permission_a_post_and_a_token(operator, viewer, url):
    make_queue("mail")
    queue.pause("paused", by="x")

    assert viewer.post(url, {"queue": "mail"}).status_code == 403
    assert operator.get(url).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert strict.post(url, {"queue": "mail"}).status_code == 403
    assert Client().post(url, {"queue": "mail"}).status_code == 302
    assert [q.name for q in Queue.objects.paused()] == ["paused"]


def test_who_may_only_look_gets_no_buttons_and_no_actions(viewer):
    make_queue("mail")

    for url in (HOME, LIST, reverse("admin:tasks_app_queue_change", args=["mail"])):
        content = viewer.get(url).content.decode()
        assert PAUSE not in content
    viewer.post(LIST, {"action": "pause_selected", "_selected_action": ["mail"], "index": "0"})
    assert not Queue.objects.paused().exists()


def test_pausing_does_not_make_a_queue(operator):
    assert operator.post(PAUSE, {"queue": "nowhere"}).status_code == 404
    assert not Queue.objects.filter(name="nowhere").exists()


def test_does_not_redirect_to_another_site(operator):
    make_queue("mail")

    assert operator.post(PAUSE, {"queue": "mail", "next": "https://evil.example/"}).url == LIST


@pytest.mark.parametrize("name", ["a/b", "with space", "_5F", "ü", "pause"])
def test_a_queue_with_an_unusual_name_has_a_page(operator, name):
    from django.contrib.admin.utils import quote

    make_queue(name)

    assert (
        operator.get(reverse("admin:tasks_app_queue_change", args=[quote(name)])).status_code == 200
    )


def test_an_unknown_queue_is_not_found(viewer):
    assert viewer.get(reverse("admin:tasks_app_queue_change", args=["x"])).status_code == 404
