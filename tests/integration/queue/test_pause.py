from __future__ import annotations

import pytest

from tasks_app import queue
from tasks_app.models import Queue

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pause_says_who_why_and_since_when():
    queue.pause("mail", by="operator", reason="provider down")

    row = Queue.objects.get(name="mail")
    assert row.paused
    assert (row.paused_by, row.pause_reason) == ("operator", "provider down")


def test_pausing_again_keeps_since_when():
    queue.pause("mail", by="operator")
    since = Queue.objects.get(name="mail").paused_at

    queue.pause("mail", by="colleague", reason="still down")

    row = Queue.objects.get(name="mail")
    assert (row.paused_at, row.paused_by) == (since, "colleague")


def test_resume_opens_the_queue_and_forgets_the_pause():
    queue.pause("mail", by="operator", reason="provider down")

    assert queue.resume("mail", by="operator") is True

    row = Queue.objects.get(name="mail")
    assert (row.paused, row.paused_by, row.pause_reason) == (False, "", "")


def test_there_is_no_resuming_a_queue_that_is_not_there(transactional_db):
    assert queue.resume("nowhere", by="operator") is False
