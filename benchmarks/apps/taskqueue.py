"""Our own system as a producer."""

from __future__ import annotations

import django
from django.core.management import call_command

django.setup()

from benchmarks.apps import producer  # noqa: E402
from benchmarks.sample import tasks  # noqa: E402


class TaskQueue:
    def install(self) -> None:
        call_command("migrate", verbosity=0)

    def many(self, count: int) -> None:
        tasks.noop.enqueue_many([()] * count)

    def one(self, ledger: str, key: int) -> None:
        tasks.stamp.enqueue(ledger, key)


if __name__ == "__main__":
    producer.main(TaskQueue())
