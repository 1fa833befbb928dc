from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from tasks_app.conf import settings


def complaint() -> str:
    with pytest.raises(SystemCheckError) as caught:
        call_command("check", fail_level="WARNING")
    return str(caught.value)


def test_the_project_is_clean():
    call_command("check", fail_level="WARNING")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"MAX_ATEMPTS": 3}, "unknown key 'MAX_ATEMPTS'. Did you mean 'MAX_ATTEMPTS'?"),
        ({"zzz": 3}, "unknown key 'zzz'. Known: DATABASE"),
        ({"MAX_ATTEMPTS": 0}, "TASKQUEUE['MAX_ATTEMPTS']=0: must be a whole number of at least 1"),
        ({"MAX_ATTEMPTS": True}, "must be a whole number"),
        ({"POLL_INTERVAL": "1"}, "must be a positive number of seconds"),
        ({"TIMEOUT": -1}, "must be a positive number of seconds or None"),
        ({"WAKEUP": "shout"}, "must be 'notify' or 'poll'"),
        ({"DATABASE": "other"}, "no such alias in DATABASES"),
        ({"LEASE": 2}, "must be at least 5 seconds"),
        ("notify", "must be a dictionary"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(setting, message):
    with override_settings(TASKQUEUE=setting):
        assert message in complaint()
    settings.cache_clear()


def test_the_runworker_of_channels_must_not_shadow_ours(settings):
    apps = [name for name in settings.INSTALLED_APPS if name != "workers_app"]

    with override_settings(INSTALLED_APPS=[*apps, "workers_app"]):
        from django.core.management import get_commands

        get_commands.cache_clear()
        try:
            assert "`manage.py runworker` is that of 'channels'" in complaint()
        finally:
            get_commands.cache_clear()


def test_a_queue_name_that_no_worker_could_be_told_is_refused(settings):
    tasks = {
        "default": {"BACKEND": "tasks_app.backend.TaskQueueBackend", "QUEUES": ["default", "a b"]}
    }

    with override_settings(TASKS=tasks):
        assert (
            "['QUEUES']: queue_name='a b': must be 1 to 100 printable characters without spaces"
            in complaint()
        )
