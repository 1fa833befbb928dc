"""Who may see what, and the headers that every page has."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tasks_app.engine.states import State
from tasks_app.models import Task
from tests.factories import make_task, make_worker

pytestmark = pytest.mark.django_db

HOME = reverse("admin:index")
PULSE = reverse("admin:pulse")
TASKS = reverse("admin:tasks_app_task_changelist")
LISTS = [TASKS] + [
    reverse(f"admin:tasks_app_{noun}_changelist") for noun in ("queue", "worker", "apikey")
]
PAGES = [HOME, *LISTS, reverse("admin:tasks_app_apikey_add"), reverse("admin:auth_user_changelist")]


@pytest.mark.parametrize("url", [*PAGES, PULSE])
def test_anonymous_is_sent_to_log_in(client, url):
    answer = client.get(url)

    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


@pytest.mark.parametrize("url", [*LISTS, PULSE])
def test_staff_without_permission_sees_no_data(staff, url):
    assert staff().get(url).status_code == 403


def test_home_shows_staff_without_permission_no_data(staff):
    make_task(name="shop.tasks.secret", state=State.FAILED)

    answer = staff().get(HOME)

    assert answer.status_code == 200
    assert b"shop.tasks.secret" not in answer.content
    assert b"live.js" not in answer.content


def test_somebody_who_is_not_staff_is_sent_to_log_in(client):
    client.force_login(User.objects.create_user("eve"))

    assert client.get(TASKS).status_code == 302


@pytest.mark.parametrize("url", [*LISTS, HOME, PULSE])
def test_permission_to_view_is_enough(viewer, url):
    make_task(State.RUNNING, worker=make_worker())

    assert viewer.get(url).status_code == 200


@pytest.mark.parametrize("noun", ["task", "worker", "queue"])
def test_not_even_a_superuser_adds_changes_or_deletes(admin_client, noun):
    task = make_task(State.RUNNING)
    key = {"task": task.id, "worker": task.worker_id, "queue": task.queue}[noun]

    assert admin_client.get(reverse(f"admin:tasks_app_{noun}_add")).status_code == 403
    assert (
        admin_client.post(reverse(f"admin:tasks_app_{noun}_delete", args=[key])).status_code == 403
    )
    assert Task.objects.in_state(State.RUNNING).filter(id=task.id).exists()


@pytest.mark.parametrize("url", [*PAGES, PULSE, reverse("admin:password_change")])
def test_every_page_has_a_strict_policy_and_is_not_stored(admin_client, url):
    answer = admin_client.get(url)

    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("url", [reverse("admin:login"), HOME, TASKS])
def test_the_policy_holds_for_those_who_are_not_logged_in(client, url):
    assert "default-src 'none'" in client.get(url)["Content-Security-Policy"]


@pytest.mark.parametrize("url", [*PAGES, reverse("admin:login")])
def test_no_page_has_inline_styles_or_scripts(admin_client, client, url):
    make_task(State.RUNNING)
    text = (client if "login" in url else admin_client).get(url).content.decode()

    assert "<style" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert all("src=" in tag.split(">")[0] for tag in text.split("<script")[1:])


def test_a_login_form_sent_from_our_page_passes_the_csrf_check():
    """With `Referrer-Policy: no-referrer` a browser would send `Origin: null`, which Django refuses."""
    client = Client(enforce_csrf_checks=True)
    User.objects.create_superuser("operator", password="of-the-test-1")
    page = client.get(reverse("admin:login"))

    answer = client.post(
        reverse("admin:login"),
        {
            "username": "operator",
            "password": "of-the-test-1",
            "csrfmiddlewaretoken": page.cookies["csrftoken"].value,
        },
    )

    assert page["Referrer-Policy"] == "same-origin"
    assert answer.status_code == 302
