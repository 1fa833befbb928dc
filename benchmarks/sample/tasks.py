"""What our worker runs: nothing, or a note of the time."""

from __future__ import annotations

from benchmarks.apps.stamping import stamp_now
from tasks_app import task


@task
def noop() -> None:
    pass


@task
def stamp(ledger: str, key: int) -> None:
    stamp_now(ledger, key)
