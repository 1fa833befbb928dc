"""Written for Django Tasks, not for us."""

from __future__ import annotations

from django_tasks import task


@task
def double(number):
    return number * 2


def triple(number):
    return number * 3
