"""django-tasks-db: Django Tasks in a table, one task at a time. It has no bulk call: enqueue() in one transaction."""

from __future__ import annotations

import django
from django.core.management import call_command
from django.db import transaction

django.setup()

from benchmarks.apps import django_tasks_db_tasks as tasks  # noqa: E402
from benchmarks.apps import producer  # noqa: E402


class DjangoTasksDb:
    def install(self) -> None:
        call_command("migrate", verbosity=0)

    def many(self, count: int) -> None:
        with transaction.atomic():
            for _ in range(count):
                tasks.noop.enqueue()

    def one(self, ledger: str, key: int) -> None:
        tasks.stamp.enqueue(ledger, key)


if __name__ == "__main__":
    producer.main(DjangoTasksDb())
