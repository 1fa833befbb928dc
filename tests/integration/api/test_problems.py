"""Every error is application/problem+json, and says nothing of what is inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test import override_settings

from tasks_app import compat
from tests.integration.api.conftest import ADD, TASKS, Program
from tests.sample import tasks

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


def check(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) - {"errors"} == MEMBERS
    assert (body["type"], body["status"], body["code"]) == ("about:blank", status, code)
    assert body["request_id"] == response["X-Request-ID"]
    assert body["detail"]
    return body


@pytest.fixture
def failing() -> Iterator[None]:
    """Makes enqueueing raise something that nobody expects."""

    def fail(sender, **_):
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    compat.task_enqueued.connect(fail)
    yield
    compat.task_enqueued.disconnect(fail)


@contextmanager
def database_down() -> Iterator[None]:
    """The server is not where the settings say it is."""
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    yield
    connection.close()
    connection.settings_dict["HOST"] = host


@pytest.mark.parametrize(
    "path", ["", "x", "tasks/", "tasks/1/2", "schema/", "docs", "../v2/", "a b/%00"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
def test_an_unknown_route_is_404_for_everybody(method, path):
    response = getattr(Program().client, method)(f"/api/v1/{path}")

    if path.startswith(".."):
        assert response.status_code == 404  # outside of the API
    elif method == "head":
        assert response.status_code == 404
    else:
        assert check(response, 404, "not_found")["instance"].startswith("/api/v1/")


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/x", "/api/v1/schema"])
def test_another_method_is_405_and_says_which_are_allowed(method, path, program: Program):
    response = getattr(program.client, method)(path, headers=program.headers)

    check(response, 405, "method_not_allowed")
    assert response["Allow"] == ("GET, HEAD, POST" if path == TASKS else "GET, HEAD")


@pytest.mark.django_db
def test_the_other_statuses_are_problems_too(program: Program):
    check(Program().get(TASKS), 401, "not_authenticated")
    check(Program("tq_x").get(TASKS), 401, "invalid_key")
    check(program.get(f"{TASKS}/x"), 404, "not_found")
    check(program.post(raw="{"), 400, "invalid_json")
    check(program.post({}), 400, "invalid")
    check(program.post({"name": "x"}), 400, "unknown_task")
    check(program.post(raw=" " * 1_048_577), 413, "too_large")
    check(program.post({}, content_type="text/plain"), 415, "unsupported_media_type")
    check(program.get(f"{TASKS}?x=1"), 400, "invalid")
    check(program.get(f"{TASKS}?" + "&".join("x=1" for _ in range(2000))), 400, "parse_error")


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True])
def test_what_nobody_expected_is_logged_and_not_told(debug, failing, program: Program, caplog):
    program.get(TASKS)  # middleware is set up outside of DEBUG
    with override_settings(DEBUG=debug):
        response = program.post({"name": ADD, "args": [1]}, **{"X-Request-ID": "find-me"})

    check(response, 500, "internal_error")
    said = response.content.decode()
    for secret in ("SELECT", "passwd", "RuntimeError", "Traceback", ".py"):
        assert secret not in said
    (record,) = [r for r in caplog.records if r.name == "tasks_app.api.problems"]
    assert "find-me" in record.getMessage()
    assert record.exc_info
    assert record.exc_info[0] is RuntimeError


@pytest.mark.django_db
def test_django_hears_of_what_nobody_expected(failing, program: Program):
    program.client.raise_request_exception = True

    with pytest.raises(RuntimeError):
        program.post({"name": ADD, "args": [1]})


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_down_is_503_until_it_is_back(program: Program):
    in_a_session = Program()
    in_a_session.client.cookies["sessionid"] = "x" * 32

    with database_down():
        response = program.get(TASKS)
        body = check(response, 503, "database_unavailable")
        assert response["Retry-After"] == "5"
        assert "nowhere" not in str(body)
        check(program.get(f"{TASKS}/{'0' * 32}"), 503, "database_unavailable")
        check(program.post({"name": ADD, "args": [1]}), 503, "database_unavailable")
        check(in_a_session.get(TASKS), 503, "database_unavailable")
        check(Program().get(TASKS), 401, "not_authenticated")
        assert Program().get("/api/v1/schema").status_code == 200

    assert program.get(TASKS).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    "given", ["a", "0af7651916cd43dd8448eb211c80319c", "trace:1/2~3", "!" * 100]
)
def test_a_request_id_is_echoed(given, program: Program):
    assert program.get(TASKS, **{"X-Request-ID": given})["X-Request-ID"] == given
    response = Program().get(TASKS, **{"X-Request-ID": given})
    assert (response["X-Request-ID"], response.json()["request_id"]) == (given, given)


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", " ", "a b", "é", "a\tb", "x" * 101, "\x1b[31m", "a\u2028"])
def test_another_request_id_is_replaced(given, program: Program):
    made = [program.get(TASKS, **{"X-Request-ID": given})["X-Request-ID"] for _ in range(2)]

    assert all(re.fullmatch(r"[0-9a-f]{32}", id) for id in made)
    assert made[0] != made[1]


@pytest.mark.django_db
def test_answers_are_not_cached_sniffed_framed_or_run(program: Program):
    tasks.add.enqueue("<script>alert(1)</script>")

    for response in (program.get(TASKS), program.get(f"{TASKS}/x"), Program().get("/api/v1/x")):
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_json_is_answered_whatever_is_accepted(program: Program):
    for accepted in ("text/html", "application/xml;q=1", "*/*", "x"):
        assert program.get(TASKS, Accept=accepted)["Content-Type"] == "application/json"
