"""procrastinate: async tasks, psycopg with the pool it makes by default."""

from __future__ import annotations

import os

import procrastinate

from benchmarks.apps import producer
from benchmarks.apps.stamping import stamp_now

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"])
)


@app.task(name="noop")
async def noop() -> None:
    pass


@app.task(name="stamp")
async def stamp(ledger: str, key: int) -> None:
    stamp_now(ledger, key)


class Procrastinate:
    def install(self) -> None:
        app.schema_manager.apply_schema()

    def many(self, count: int) -> None:
        noop.batch_defer(*[{}] * count)

    def one(self, ledger: str, key: int) -> None:
        stamp.defer(ledger=ledger, key=key)


if __name__ == "__main__":
    with app.open():
        producer.main(Procrastinate())
