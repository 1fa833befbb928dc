"""huey with its PostgreSQL storage: a transaction for each call, and for each task that is taken."""

from __future__ import annotations

import os

from huey import PostgresHuey

from benchmarks.apps import producer
from benchmarks.apps.stamping import stamp_now
from benchmarks.apps.tally import Tally

huey = PostgresHuey("bench", dsn=os.environ["DATABASE_URL"])
tally = Tally()


@huey.task()
def noop() -> None:
    tally.note()


@huey.task()
def stamp(ledger: str, key: int) -> None:
    stamp_now(ledger, key)


class Huey:
    def install(self) -> None:
        """Its tables were made by the import of this module."""

    def many(self, count: int) -> None:
        for _ in range(count):
            noop()

    def one(self, ledger: str, key: int) -> None:
        stamp(ledger, key)


if __name__ == "__main__":
    # Tasks are called by the name of their module, which is not __main__ in the worker.
    from benchmarks.apps import huey_app

    producer.main(huey_app.Huey())
