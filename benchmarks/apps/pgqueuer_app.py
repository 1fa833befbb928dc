"""pgqueuer: async entrypoints, asyncpg, and uvloop as its own command line."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.apps import producer
from benchmarks.apps.stamping import stamp_now

URL = os.environ["DATABASE_URL"]


@asynccontextmanager
async def worker() -> AsyncIterator[PgQueuer]:
    """What `pgqueuer.run` runs."""
    connection = await asyncpg.connect(URL)
    queuer = PgQueuer.from_asyncpg_connection(connection)

    @queuer.entrypoint("noop")
    async def noop(job: Job) -> None:
        pass

    @queuer.entrypoint("stamp")
    async def stamp(job: Job) -> None:
        assert job.payload is not None
        stamp_now(*json.loads(job.payload))

    try:
        yield queuer
    finally:
        await connection.close()


class Pgqueuer:
    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._queries = Queries(AsyncpgDriver(runner.run(asyncpg.connect(URL))))

    def install(self) -> None:
        self._runner.run(self._queries.install())

    def many(self, count: int) -> None:
        self._runner.run(self._queries.enqueue(["noop"] * count, [None] * count, [0] * count))

    def one(self, ledger: str, key: int) -> None:
        self._runner.run(self._queries.enqueue("stamp", json.dumps([ledger, key]).encode()))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        producer.main(Pgqueuer(runner))
