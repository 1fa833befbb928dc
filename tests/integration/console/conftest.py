"""Users of the console, and a pulse that remembers nothing of an earlier test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from analytics_app import queries

VIEW = ("view_task", "view_queue", "view_worker", "view_apikey")


@pytest.fixture(autouse=True)
def new_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "pulse", queries.Pulse())


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """`staff("view_task")`: a client logged in as a member of staff who may do that and no more."""

    def login(*codenames: str) -> Client:
        user = User.objects.create_user(f"staff-{len(codenames)}", password="x", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return login


@pytest.fixture
def viewer(staff: Callable[..., Client]) -> Client:
    return staff(*VIEW)


@pytest.fixture
def operator(staff: Callable[..., Client]) -> Client:
    return staff(*VIEW, "control_queue", "add_apikey", "change_apikey")
