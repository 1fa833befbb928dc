"""Who may do what: keys with scopes, people with permissions, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from tasks_app.api.base import ApiView
from tasks_app.api.urls import urlpatterns
from tasks_app.models import ApiKey
from tasks_app.models.api_key import SCOPES
from tests.integration.api.conftest import ADD, TASKS, IssueKey, Program
from tests.sample import tasks

pytestmark = pytest.mark.django_db

ANONYMOUS = {("get", "schema"), ("get", "docs")}
"""What anybody may ask for, by method and route."""

NEEDS = {
    ("get", "tasks"): "tasks:read",
    ("post", "tasks"): "tasks:enqueue",
    ("get", "task"): "tasks:read",
}
"""Everything else, and the scope that it needs."""

PROTECTED = sorted(NEEDS)
OTHERS = {"tasks:read": "tasks:enqueue", "tasks:enqueue": "tasks:read"}


def path_of(route: str) -> str:
    return f"{TASKS}/{tasks.noop.enqueue().id}" if route == "task" else f"/api/v1/{route}"


def ask(client: Program, method: str, route: str) -> int:
    response = (
        client.post({"name": ADD, "args": [1]}) if method == "post" else client.get(path_of(route))
    )
    assert response.status_code < 400 or response.json()["status"] == response.status_code
    return response.status_code


def logged_in(user: User) -> Program:
    program = Program()
    program.client.force_login(user)
    return program


def test_every_route_has_its_row_in_the_tables_above():
    routes = {
        (method, pattern.name)
        for pattern in urlpatterns
        if pattern.name
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(pattern.callback.view_class, method)
    }

    assert routes == ANONYMOUS | NEEDS.keys()


def test_only_the_routes_in_the_table_answer_without_a_key_or_session():
    answered = set()
    for pattern in urlpatterns:
        url = f"/api/v1/{str(pattern.pattern).replace('<str:id>', 'x')}"
        for method in ("get", "post", "put", "patch", "delete", "options", "trace"):
            if getattr(Client(), method)(url).status_code not in (401, 404, 405):
                answered.add((method, pattern.name))

    assert answered == ANONYMOUS


@pytest.mark.parametrize(("method", "route"), PROTECTED)
def test_without_a_key_or_session_it_is_401_and_says_how(method, route):
    client = Program()

    assert ask(client, method, route) == 401
    response = client.post({}) if method == "post" else client.get(path_of(route))
    assert response["WWW-Authenticate"] == 'Bearer realm="tasks"'
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize(("method", "route"), PROTECTED)
def test_a_key_needs_the_scope(method, route, issue: IssueKey):
    scope = NEEDS[method, route]

    assert ask(Program(issue(scope)), method, route) in (200, 201)
    assert ask(Program(issue(OTHERS[scope])), method, route) == 403


def test_a_missing_scope_is_named(issue: IssueKey):
    problem = Program(issue("tasks:read")).post({"name": ADD}).json()

    assert problem["code"] == "missing_scope"
    assert "tasks:enqueue" in problem["detail"]


@pytest.mark.parametrize(("method", "route"), PROTECTED)
@pytest.mark.parametrize("change", ["revoked", "expired", "wrong", "cut", "empty", "gone"])
def test_a_key_that_does_not_hold_is_401(method, route, change, issue: IssueKey):
    text = issue(*SCOPES)
    now = timezone.now()
    match change:
        case "revoked":
            ApiKey.objects.update(revoked_at=now)
        case "expired":
            ApiKey.objects.update(expires_at=now)
        case "wrong":
            text = text[:-1] + ("a" if text[-1] != "a" else "b")
        case "cut":
            text = text[:-1]
        case "empty":
            text = " "
        case "gone":
            ApiKey.objects.all().delete()

    assert ask(Program(text), method, route) == 401


@pytest.mark.parametrize(("method", "route"), PROTECTED)
def test_a_person_needs_the_permission_and_is_no_member_of_staff(
    method, route, person: Callable[..., User]
):
    user = person(SCOPES[NEEDS[method, route]])

    assert ask(logged_in(user), method, route) in (200, 201)

    user.user_permissions.clear()
    assert ask(logged_in(user), method, route) == 403

    user.is_active = False
    user.save()
    assert ask(logged_in(user), method, route) == 401


def test_a_view_that_names_no_scope_lets_nobody_in(program: Program, person: Callable[..., User]):
    class Forgotten(ApiView):
        def get(self, request: Any) -> None:
            raise AssertionError("reached")

    request = program.client.get(TASKS, headers=program.headers).wsgi_request
    request.user = person(*SCOPES.values())

    assert Forgotten.as_view()(request).status_code == 405


def test_a_key_that_does_not_hold_is_not_saved_by_a_session(person: Callable[..., User]):
    program = logged_in(person(*SCOPES.values()))

    assert program.get(TASKS).status_code == 200
    assert program.get(TASKS, Authorization="Bearer tq_no").status_code == 401


def test_a_key_does_not_borrow_the_permissions_of_a_session(
    issue: IssueKey, person: Callable[..., User]
):
    program = logged_in(person(*SCOPES.values()))
    program.headers = Program(issue("tasks:enqueue")).headers

    assert program.get(TASKS).status_code == 403


def test_a_post_in_a_session_needs_its_csrf_token(person: Callable[..., User]):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person("tasks_app.enqueue_task"))
    body = {"name": ADD, "args": [1]}

    refused = browser.post(TASKS, body, content_type="application/json")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]

    page = browser.get("/api/v1/docs/").content.decode()
    token = re.search(r'data-token="(\w+)"', page)
    assert token
    headers = {"X-CSRFToken": token[1]}
    assert (
        browser.post(TASKS, body, content_type="application/json", headers=headers).status_code
        == 201
    )
    form = browser.post(TASKS, {"name": ADD, "csrfmiddlewaretoken": token[1]})
    assert form.status_code == 415


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "token", "Authorization"])
def test_a_key_in_the_url_opens_nothing(name, issue: IssueKey, program: Program):
    url = f"{TASKS}?{name}={issue(*SCOPES)}"

    assert Program().get(url).status_code == 401
    assert program.get(url).status_code == 400


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_as_http_says(scheme, issue: IssueKey):
    assert Program().get(TASKS, Authorization=f"{scheme} {issue('tasks:read')}").status_code == 200


@pytest.mark.parametrize("value", ["Basic dTpw", "Token tq_", "Bearer", "Bearer \xff\x01", "tq_x"])
def test_any_other_authorization_is_401(value):
    assert Program().get(TASKS, Authorization=value).status_code == 401


def test_the_database_holds_a_hash_and_not_the_key(issue: IssueKey, program: Program):
    text = issue("tasks:read")
    Program(text).get(TASKS)
    secret = text.split("_", 2)[2]

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(k::text, ' ') FROM tq_api_key k")
        (dump,) = cursor.fetchone()

    assert ApiKey.objects.get(prefix=text.split("_")[1]).secret_hash in dump
    assert secret not in dump


def test_last_use_is_noted_once_a_minute(issue: IssueKey, django_assert_num_queries):
    program = Program(issue("tasks:read"))

    with django_assert_num_queries(3):
        program.get(TASKS)
    first = ApiKey.objects.get().last_used_at
    assert first

    with django_assert_num_queries(2):
        program.get(TASKS)
    assert ApiKey.objects.get().last_used_at == first

    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    program.get(TASKS)
    assert ApiKey.objects.get().last_used_at >= first


def test_links_in_answers_stay_on_the_host_that_was_asked(program: Program):
    for _ in range(2):
        location = program.post({"name": ADD, "args": [1]}, X_Forwarded_Host="evil.example")[
            "Location"
        ]
    following = program.get(f"{TASKS}?limit=1").json()["next"]

    for link in (location, following):
        assert not urlsplit(link).netloc
        assert program.get(link).status_code == 200
