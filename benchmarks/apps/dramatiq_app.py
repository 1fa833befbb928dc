"""Dramatiq with Redis (here Valkey) as its broker, and without results."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.apps import producer
from benchmarks.apps.stamping import stamp_now
from benchmarks.apps.tally import Tally

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))
tally = Tally()


@dramatiq.actor(actor_name="noop")
def noop() -> None:
    tally.note()


@dramatiq.actor(actor_name="stamp")
def stamp(ledger: str, key: int) -> None:
    stamp_now(ledger, key)


class Dramatiq:
    def install(self) -> None:
        """There is nothing to install."""

    def many(self, count: int) -> None:
        for _ in range(count):
            noop.send()

    def one(self, ledger: str, key: int) -> None:
        stamp.send(ledger, key)


if __name__ == "__main__":
    producer.main(Dramatiq())
