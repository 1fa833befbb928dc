"""Celery with Redis (here Valkey) as its broker, and without results."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.apps import producer
from benchmarks.apps.stamping import stamp_now
from benchmarks.apps.tally import Tally

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=int(os.environ["PREFETCH"]))
tally = Tally()


@app.task(name="noop")
def noop() -> None:
    tally.note()


@app.task(name="stamp")
def stamp(ledger: str, key: int) -> None:
    stamp_now(ledger, key)


class CeleryRedis:
    def install(self) -> None:
        """There is nothing to install."""

    def many(self, count: int) -> None:
        for _ in range(count):
            noop.delay()

    def one(self, ledger: str, key: int) -> None:
        stamp.delay(ledger, key)


if __name__ == "__main__":
    producer.main(CeleryRedis())
