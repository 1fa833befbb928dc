"""django-ox: Django Tasks in a table, one task at a time, with a bulk call."""

from __future__ import annotations

import django
from django.core.management import call_command

django.setup()

from django_ox.bulk import enqueue_many  # noqa: E402

from benchmarks.apps import django_ox_tasks as tasks  # noqa: E402
from benchmarks.apps import producer  # noqa: E402


class DjangoOx:
    def install(self) -> None:
        call_command("migrate", verbosity=0)

    def many(self, count: int) -> None:
        enqueue_many(tasks.noop, [((), {})] * count)

    def one(self, ledger: str, key: int) -> None:
        tasks.stamp.enqueue(ledger, key)


if __name__ == "__main__":
    producer.main(DjangoOx())
