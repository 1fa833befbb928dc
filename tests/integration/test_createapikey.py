"""`manage.py createapikey`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks_app.models import ApiKey

pytestmark = pytest.mark.django_db


def create(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("createapikey", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_prints_the_key_alone_and_explains_on_stderr():
    out, err = create("--name", "billing", "--scopes", "tasks:read,tasks:enqueue")

    text = out.removesuffix("\n")
    key = ApiKey.objects.authenticate(text, timezone.now())
    assert key is not None
    assert (key.name, key.scopes, key.expires_at) == (
        "billing",
        ["tasks:enqueue", "tasks:read"],
        None,
    )
    assert "billing" in err
    assert "until it is revoked" in err
    assert text not in err


def test_a_key_may_expire():
    out, err = create("--name", "x", "--scopes", " tasks:read ", "--expires-in-days", "30")

    now = timezone.now()
    key = ApiKey.objects.get()
    assert timedelta(days=29, hours=23) < key.expires_at - now <= timedelta(days=30)
    assert f"{key.expires_at:%Y-%m-%d}" in err
    assert ApiKey.objects.authenticate(out.strip(), now + timedelta(days=29))
    assert not ApiKey.objects.authenticate(out.strip(), now + timedelta(days=30))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--name", "x", "--scopes", "tasks:write"],
            "Unknown scope 'tasks:write': must be one of tasks:read",
        ),
        (["--name", "x", "--scopes", "tasks:read;tasks:enqueue"], "Unknown scope"),
        (["--name", "x", "--scopes", ","], "at least one scope"),
        (["--name", " ", "--scopes", "tasks:read"], "needs a name"),
        (["--name", "n" * 201, "--scopes", "tasks:read"], "at most 200 characters"),
        (["--scopes", "tasks:read"], "--name"),
        (["--name", "x"], "--scopes"),
        (["--name", "x", "--scopes", "tasks:read", "--expires-in-days", "0"], "from 1 to 36,500"),
        (["--name", "x", "--scopes", "tasks:read", "--expires-in-days", "9999999999"], "from 1 to"),
        (
            ["--name", "x", "--scopes", "tasks:read", "--expires-in-days", "soon"],
            "invalid int value",
        ),
    ],
)
def test_what_is_wrong_is_said(arguments, message):
    with pytest.raises(CommandError, match=message):
        create(*arguments)

    assert not ApiKey.objects.exists()
