"""Whether there is somebody to do the work."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from examples.plan import QUEUES
from examples.tasks import count_file
from tasks_app import conf
from tasks_app.models import Queue, Worker

FRESH = timedelta(seconds=5)
"""Workers beat every second. One that was killed stays `alive` until another finds it, but beats no more."""


def obstacle() -> str | None:
    """Why the tasks would wait for ever, and the remedy."""
    database = conf.settings().DATABASE
    paused = Queue.objects.using(database).paused().filter(name__in=QUEUES).order_by("name")
    if names := ", ".join(queue.name for queue in paused):
        return f"paused: {names}. Resume what is to be demonstrated."
    workers = Worker.objects.using(database).alive().filter(beat_at__gt=Now() - FRESH)
    able = [worker for worker in workers if count_file.module_path in worker.capabilities]
    unserved = [
        name
        for name in QUEUES
        if not any(not worker.queues or name in worker.queues for worker in able)
    ]
    if not unserved:
        return None
    whom = f" serves {', '.join(unserved)}" if able else ""
    return f"no live worker{whom}: start one with `manage.py runworker`."
