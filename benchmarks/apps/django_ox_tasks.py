"""What django-ox's worker runs."""

from __future__ import annotations

from django.tasks import task

from benchmarks.apps.stamping import stamp_now


@task()
def noop() -> None:
    pass


@task()
def stamp(ledger: str, key: int) -> None:
    stamp_now(ledger, key)
