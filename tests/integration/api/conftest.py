"""Clients of the API: programs with keys, and people with sessions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tasks_app.models import ApiKey
from tasks_app.models.api_key import SCOPES

TASKS = "/api/v1/tasks"
ADD = "tests.sample.tasks.add"


class Program:
    """An HTTP client that sends a key, or none."""

    def __init__(self, key: str = "", **headers: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = ({"Authorization": f"Bearer {key}"} if key else {}) | headers

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=self.headers | headers)

    def post(
        self,
        body: Any = None,
        *,
        raw: str | bytes | None = None,
        path: str = TASKS,
        content_type: str = "application/json",
        **headers: str,
    ) -> Any:
        data = json.dumps(body) if raw is None else raw
        return self.client.post(
            path, data, content_type=content_type, headers=self.headers | headers
        )


IssueKey = Callable[..., str]


@pytest.fixture
def issue(db: None) -> IssueKey:
    """`issue("tasks:read")`: the text of a new key with these scopes."""

    def issue(*scopes: str, expires_at: datetime | None = None) -> str:
        return ApiKey.objects.issue("tests", list(scopes), expires_at)[1]

    return issue


@pytest.fixture
def program(issue: IssueKey) -> Program:
    """One that may do everything."""
    return Program(issue(*SCOPES))


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """`person("tasks_app.view_task")`: a user with these permissions, and no member of staff."""

    def person(*permissions: str) -> User:
        user = User.objects.create_user("person")
        codenames = [permission.partition(".")[2] for permission in permissions]
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return person


def pointers(response: Any) -> list[str]:
    return [error["pointer"] for error in response.json()["errors"]]


def parameters(response: Any) -> list[str]:
    return [error["parameter"] for error in response.json()["errors"]]
