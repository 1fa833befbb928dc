"""Environment values: what is accepted, and how a wrong one is named."""

from __future__ import annotations

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from taskqueue_project.environment import choice, database_from_url, positive_int


def test_a_database_url_becomes_djangos_entry() -> None:
    entry = database_from_url("postgresql://ann:p%40ss@db.example:5433/jobs?sslmode=require")
    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert (entry["USER"], entry["PASSWORD"]) == ("ann", "p@ss")
    assert (entry["HOST"], entry["PORT"], entry["NAME"]) == ("db.example", "5433", "jobs")
    assert entry["OPTIONS"] == {"sslmode": "require"}


def test_a_database_url_may_leave_everything_but_the_name_to_libpq() -> None:
    entry = database_from_url("postgres:///jobs")
    assert (entry["HOST"], entry["PORT"], entry["USER"], entry["PASSWORD"]) == ("", "", "", "")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("mysql://u:secret@h/jobs", "'mysql'"),
        ("jobs", "scheme"),
        ("postgresql://u:secret@h", "names no database"),
        ("postgresql://u:secret@h/", "names no database"),
        ("postgresql://u:secret@h:port/jobs", "port"),
        ("postgresql://u:secret@h:99999/jobs", "ort"),
        ("postgresql://u:secret@[::1/jobs", "IPv6"),
    ],
)
def test_a_wrong_database_url_is_named_with_the_rule_and_without_its_password(
    url: str, part: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        database_from_url(url)
    message = str(caught.value)
    assert "DATABASE_URL" in message
    assert part in message
    assert "postgresql://user:password@host:port/name" in message
    assert "secret" not in message


def test_a_choice_outside_the_list_is_refused_with_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TASKQUEUE_WAKEUP", "carrier pigeon")
    with pytest.raises(
        ImproperlyConfigured, match=r"TASKQUEUE_WAKEUP='carrier pigeon'.*notify, poll"
    ):
        choice(environ.Env(), "TASKQUEUE_WAKEUP", ["notify", "poll"], default="notify")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "٣"])
def test_a_number_that_is_none_is_refused_with_the_rule(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TASKQUEUE_MAX_ATTEMPTS", text)
    with pytest.raises(ImproperlyConfigured, match=r"TASKQUEUE_MAX_ATTEMPTS=.*at least 1"):
        positive_int(environ.Env(), "TASKQUEUE_MAX_ATTEMPTS", default=3)


def test_unset_variables_have_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKQUEUE_MAX_ATTEMPTS", raising=False)
    monkeypatch.delenv("TASKQUEUE_WAKEUP", raising=False)
    env = environ.Env()
    assert positive_int(env, "TASKQUEUE_MAX_ATTEMPTS", default=3) == 3
    assert choice(env, "TASKQUEUE_WAKEUP", ["notify", "poll"], default="poll") == "poll"
