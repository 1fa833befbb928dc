"""API keys: issued, shown once, revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from tasks_app.models import ApiKey

pytestmark = pytest.mark.django_db

LIST = reverse("admin:tasks_app_apikey_changelist")
ADD = reverse("admin:tasks_app_apikey_add")
FORM = {"name": "billing", "scopes": ["tasks:read"], "lifetime": "30"}


def test_shows_a_new_key_once(operator):
    answer = operator.post(ADD, FORM)

    text = re.search(r"tq_[0-9a-f]{12}_[\w-]{43}", answer.content.decode())[0]
    key = ApiKey.objects.authenticate(text, timezone.now())
    assert key is not None
    assert key.scopes == ["tasks:read"]
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)
    assert "no-store" in answer["Cache-Control"]
    later = [
        LIST,
        reverse("admin:tasks_app_apikey_change", args=[key.pk]),
        ADD,
        reverse("admin:index"),
    ]
    for url in later:
        content = operator.get(url).content.decode()
        assert text not in content
        assert key.secret_hash not in content
    assert text not in str(list(LogEntry.objects.values()))
    assert text not in str(dict(operator.session))
    assert LogEntry.objects.get().object_id == str(key.pk)


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": "   "}, {"scopes": []}, {"scopes": ["admin"]}, {"lifetime": "9"}],
)
def test_refuses_what_is_no_key(operator, change):
    answer = operator.post(ADD, FORM | change)

    assert answer.status_code == 200
    assert b"errorlist" in answer.content
    assert not ApiKey.objects.exists()


def test_revokes_after_asking(operator):
    key, text = ApiKey.objects.issue("billing", ["tasks:read"])
    chosen = {"action": "revoke", "_selected_action": [key.pk], "index": "0"}

    asked = operator.post(LIST, chosen)
    assert b"cannot be undone" in asked.content
    assert ApiKey.objects.authenticate(text, timezone.now())

    operator.post(LIST, chosen | {"confirmed": "yes"})
    assert ApiKey.objects.authenticate(text, timezone.now()) is None
    assert LogEntry.objects.get().get_change_message() == "Revoked."
    assert b"revoked" in operator.get(LIST).content


def test_who_may_only_look_neither_issues_nor_revokes(viewer):
    key, text = ApiKey.objects.issue("billing", ["tasks:read"])

    assert viewer.post(ADD, FORM).status_code == 403
    viewer.post(
        LIST, {"action": "revoke", "_selected_action": [key.pk], "confirmed": "yes", "index": "0"}
    )
    assert ApiKey.objects.authenticate(text, timezone.now())
    assert ApiKey.objects.count() == 1
