from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client, override_settings

from tasks_app import testing
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY_LISTENS = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
}


def test_with_redis_down_people_log_in_and_tasks_run():
    get_user_model().objects.create_superuser("operator", password="of the test")

    with override_settings(CACHES=NOBODY_LISTENS):
        assert cache.get("anything") is None
        browser = Client()
        answer = browser.post(
            "/console/login/?next=/console/", {"username": "operator", "password": "of the test"}
        )
        assert answer.headers["Location"] == "/console/"
        assert browser.get("/console/").status_code == 200
        assert browser.get("/readyz").status_code == 200
        result = tasks.add.enqueue(1)
        testing.drain()
        result.refresh()
        assert result.return_value == 2
