"""The list of tasks and the page of one."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks_app.admin import tasks as admin
from tasks_app.engine.states import Reason, State
from tasks_app.models import Worker
from tests.factories import an_error, make_queue, make_task, make_worker

pytestmark = pytest.mark.django_db

LIST = reverse("admin:tasks_app_task_changelist")
HOSTILE = """<script>alert(1)</script>" onmouseover='x' {{ 7|add:7 }}"""


def page_of(task):
    return reverse("admin:tasks_app_task_change", args=[task.id])


def ids(answer):
    return [
        UUID(found)
        for found in re.findall(r'task/([0-9a-f-]{36})/change/"', answer.content.decode())
    ]


def link(answer, rel):
    found = re.search(rf'<a href="([^"]+)" rel="{rel}"', answer.content.decode())
    return LIST + found[1].replace("&amp;", "&") if found else None


@pytest.mark.parametrize("state", [s for s in State if s != State.BLOCKED])
def test_lists_and_shows_tasks_in_every_state(viewer, state):
    task = make_task(state)
    other = make_task(State.READY if state != State.READY else State.FAILED)

    assert ids(viewer.get(LIST)) == [other.id, task.id]
    assert ids(viewer.get(LIST, {"state": state})) == [task.id]
    page = viewer.get(page_of(task))
    assert page.status_code == 200
    assert f'<span class="badge {state}">{state}</span>' in page.content.decode()


def test_never_counts_tasks(viewer):
    for state in (State.READY, State.SUCCEEDED, State.FAILED):
        make_task(state)

    for query in ({}, {"state": "failed"}, {"q": "shop"}, {"queue": "default"}, {"name": "x"}):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            viewer.get(LIST, query)
        about_tasks = [q["sql"] for q in queries if "tq_task" in q["sql"]]
        assert about_tasks
        assert not [sql for sql in about_tasks if "COUNT(" in sql.upper()]
        assert not [sql for sql in about_tasks if "DISTINCT" in sql.upper()]
        assert all("LIMIT" in sql for sql in about_tasks)


def test_pages_by_id_in_both_directions(viewer, monkeypatch):
    monkeypatch.setattr(admin, "PAGE", 2)
    made = [make_task(State.READY if n % 2 else State.SUCCEEDED).id for n in range(5)][::-1]

    first = viewer.get(LIST)
    second = viewer.get(link(first, "next"))
    third = viewer.get(link(second, "next"))
    back = viewer.get(link(third, "prev"))

    assert [ids(page) for page in (first, second, third)] == [made[:2], made[2:4], made[4:]]
    assert link(first, "prev") is None
    assert link(third, "next") is None
    assert ids(back) == made[2:4]
    assert ids(viewer.get(link(back, "prev"))) == made[:2]


def test_a_task_enqueued_meanwhile_moves_no_row_to_another_page(viewer, monkeypatch):
    monkeypatch.setattr(admin, "PAGE", 2)
    made = [make_task().id for _ in range(4)][::-1]
    older = link(viewer.get(LIST), "next")
    make_task()

    assert ids(viewer.get(older)) == made[2:]


def test_paging_keeps_the_filter(viewer, monkeypatch):
    monkeypatch.setattr(admin, "PAGE", 1)
    mail = [make_task(queue="mail").id for _ in range(2)][::-1]
    make_task(queue="other")

    first = viewer.get(LIST, {"queue": "mail", "state": "ready"})

    assert ids(first) == mail[:1]
    assert ids(viewer.get(link(first, "next"))) == mail[1:]


def test_a_filter_without_an_index_looks_at_a_bounded_number_of_tasks_and_goes_on(
    viewer, monkeypatch
):
    monkeypatch.setattr(admin, "WINDOW", 2)
    wanted = make_task(name="shop.tasks.rare")
    for _ in range(5):
        make_task(State.SUCCEEDED)

    answer = viewer.get(LIST, {"name": "shop.tasks.rare"})
    looks = 1
    while not ids(answer):
        assert b"older ones may match" in answer.content
        answer = viewer.get(link(answer, "next"))
        looks += 1

    assert ids(answer) == [wanted.id]
    assert looks == 2 or looks == 3


def test_searches_by_the_beginning_of_a_name_or_of_an_id(viewer):
    task = make_task(name="shop.tasks.send_receipt")
    make_task(name="shopping.tasks.other", id=UUID("01900000-0000-7000-8000-000000000001"))

    assert ids(viewer.get(LIST, {"q": "shop.t"})) == [task.id]
    assert ids(viewer.get(LIST, {"q": "shop_t"})) == []
    assert ids(viewer.get(LIST, {"q": str(task.id)[:13]})) == [task.id]
    assert viewer.get(LIST, {"q": str(task.id)}).url == page_of(task)
    assert ids(viewer.get(LIST, {"q": str(uuid7())})) == []


def test_offers_queues_that_are_known_and_names_that_are_registered(viewer):
    make_queue("reports")

    content = viewer.get(LIST, {"name": "gone.tasks.old"}).content.decode()

    assert "<option>reports</option>" in content
    assert "<option selected>gone.tasks.old</option>" in content


@pytest.mark.parametrize(
    "query",
    [
        {"state": "nonsense"},
        {"before": "x"},
        {"after": "{}"},
        {"q": "\0"},
        {"queue": "a\0b"},
        {"q": HOSTILE},
        {"name": HOSTILE, "queue": HOSTILE},
    ],
)
def test_takes_nonsense_in_the_url(viewer, query):
    make_task()

    answer = viewer.get(LIST, query)

    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000000", "1/2", "%00"])
def test_an_unknown_task_is_not_found(viewer, id):
    assert viewer.get(reverse("admin:tasks_app_task_change", args=[id])).status_code == 404


def test_hostile_text_is_shown_as_text(viewer):
    worker = make_worker(HOSTILE)
    task = make_task(
        State.FAILED,
        name=HOSTILE,
        queue=HOSTILE,
        args=[HOSTILE, "</pre>"],
        kwargs={HOSTILE: HOSTILE},
        errors=[an_error(HOSTILE, HOSTILE, f"</pre>{HOSTILE}", worker=str(worker.id))],
        worker=worker,
    )
    make_task(State.RUNNING, worker=worker, name=HOSTILE)

    for url in (
        LIST,
        page_of(task),
        reverse("admin:index"),
        reverse("admin:tasks_app_queue_changelist"),
        reverse("admin:tasks_app_queue_change", args=[admin_quote(HOSTILE)]),
        reverse("admin:tasks_app_worker_changelist"),
        reverse("admin:tasks_app_worker_change", args=[worker.id]),
    ):
        answer = viewer.get(url)
        content = answer.content.decode()
        assert answer.status_code == 200, url
        assert "<script>alert" not in content
        assert "&lt;script&gt;alert(1)" in content
        assert "&quot; onmouseover=&#x27;x&#x27; {{ 7|add:7 }}" in content


def admin_quote(text):
    from django.contrib.admin.utils import quote

    return quote(text)


def test_a_whole_number_is_shown_exactly_and_a_large_payload_is_cut(viewer, monkeypatch):
    monkeypatch.setattr(admin, "MAX_JSON", 50)
    task = make_task(args=[9007199254740993], kwargs={"long": "x" * 80})

    content = viewer.get(page_of(task)).content.decode()

    assert "9007199254740993" in content
    assert "more characters" in content


def test_attempts_that_lack_something_are_shown(viewer):
    """What was recorded may be older than this page."""
    task = make_task(
        State.FAILED, errors=[{}, {"started_at": 5, "ended_at": "soon", "worker": "w"}]
    )

    assert viewer.get(page_of(task)).status_code == 200


def test_a_task_that_ends_while_it_is_looked_at_is_found_again(viewer):
    task = make_task(State.RUNNING)
    assert viewer.get(page_of(task)).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tq_task_live WHERE id = %s", [task.id])
    make_task(State.SUCCEEDED, id=task.id, result={"sum": 3})

    answer = viewer.get(page_of(task))

    assert answer.status_code == 200
    assert "&quot;sum&quot;: 3" in answer.content.decode()


def why(viewer, task):
    content = viewer.get(page_of(task)).content.decode()
    return re.search(r'<p class="why">(.*?)</p>', content)[1].replace("&#x27;", "'")


def test_says_why_a_task_waits(viewer):
    task = make_task(name="a.b")
    assert why(viewer, task) == "ready: no worker is alive"

    worker = make_worker(queues=["mail"])
    assert why(viewer, task) == "ready: no live worker serves its queue"

    Worker.objects.filter(id=worker.id).update(queues=[])
    assert why(viewer, task) == "ready: no worker that serves its queue knows this name"

    Worker.objects.filter(id=worker.id).update(capabilities=["a.b"])
    assert why(viewer, task).startswith("ready: waits its turn for 10 s; 1 worker can run it")

    queue = make_queue("default")
    queue.paused_at, queue.paused_by, queue.pause_reason = timezone.now(), "operator", "disk full"
    queue.save()
    assert why(viewer, task) == "ready: its queue is paused by operator (disk full)"


def test_says_what_became_of_a_task(viewer):
    soon = timezone.now() + timedelta(seconds=42.4)
    errors = [an_error(message="no\nsecond line")]
    retry = make_task(State.SCHEDULED, attempt=1, errors=errors, run_at=soon)
    failed = make_task(State.FAILED, attempt=3, errors=errors)
    poison = make_task(State.FAILED, reason=Reason.POISON, crashes=4)

    assert re.fullmatch(r"retrying in 4\d s, attempt 2 of 3: ValueError: no", why(viewer, retry))
    assert why(viewer, failed) == "failed: exhausted after 3 attempts: ValueError: no"
    assert why(viewer, poison) == "failed: its process died 4 times while it ran this task"
    assert why(viewer, make_task(State.GATED)) == "gated: no live worker knows this name"
    assert why(viewer, make_task(State.SUCCEEDED)) == "succeeded in 5.0 s, attempt 1 of 3"
    assert re.fullmatch(
        r"scheduled: in 1 m|scheduled: in \d+ s", why(viewer, make_task(State.SCHEDULED))
    )
    assert why(viewer, make_task(State.RUNNING)).startswith("running for 5.")
