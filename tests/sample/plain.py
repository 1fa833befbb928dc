"""Written for Django Tasks, not for us."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("django.tasks"):
    from django.tasks import task
else:
    from django_tasks import task


@task
def double(number):
    return number * 2


def triple(number):
    return number * 3
