"""What every benchmark is given: the cluster, the systems, how much of everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks import children
from benchmarks.cluster import Cluster
from benchmarks.systems import System
from taskqueue_project.embedded.valkey import ValkeyServer


@dataclass(frozen=True)
class Bench:
    cluster: Cluster
    valkey: ValkeyServer | None
    """None when no system of this run uses it."""
    systems: Sequence[System]
    directory: Path
    rounds: int
    quick: bool
    minutes: float
    """Of a soak."""

    def install(self, system: System) -> None:
        if not system.is_on_valkey:
            self.cluster.create(system.database)
        self.produce(system, "install")

    def server_pid(self, system: System) -> int:
        pid = self.valkey.pid if system.is_on_valkey and self.valkey else self.cluster.pid
        assert pid is not None, "it runs as long as the run"
        return pid

    def load(self, system: System, name: str, count: int) -> None:
        """Put so much of something (see beside.py) into its database."""
        with self.connect(system) as connection:
            # Bound here, because such SQL may be several statements. What triggers would add is not wanted.
            connection.execute("SET session_replication_role = replica")
            psycopg.ClientCursor(connection).execute(system.loads[name], {"count": count})

    def scaled(self, count: int, system: System | None = None) -> int:
        """`count`, a tenth of it for --quick, a tenth of that for a slow system."""
        count //= 10 if self.quick else 1
        return count // (10 if system is not None and system.slow else 1)

    def turns(self) -> Iterator[tuple[int, System]]:
        """A B C, A B C, ...: what disturbs the machine disturbs all of them."""
        for number in range(1, self.rounds + 1):
            for system in self.systems:
                yield number, system

    def connect(self, system: System) -> psycopg.Connection[Any]:
        return self.cluster.connect("taskqueue" if system.is_on_valkey else system.database)

    def environment(self, system: System) -> dict[str, str]:
        self.tally.mkdir(exist_ok=True)
        return {
            **system.environment,
            "DATABASE_URL": self.cluster.url(system.database),
            "PYTHONUNBUFFERED": "1",
            "TALLY": str(self.tally),
            **({"REDIS_URL": self.valkey.url} if self.valkey else {}),
        }

    @property
    def tally(self) -> Path:
        return self.directory / "tally"

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def produce(self, system: System, *arguments: object, timeout: float = 300) -> Any:
        """The answer of the system's producer to a command."""
        log = self.log(f"{system.name}-{arguments[0]}")
        command = [*system.producer, *map(str, arguments)]
        return children.answer(command, self.environment(system), log, timeout)

    def empty(self, system: System) -> None:
        if system.is_on_valkey:
            assert self.valkey is not None
            with redis.Redis.from_url(self.valkey.url) as client:
                client.flushall()
            return
        with self.connect(system) as connection:
            # A system may have fewer tables in another version.
            found = connection.execute(
                "SELECT string_agg(name, ', ') FROM unnest(%s::text[]) AS name"
                " WHERE to_regclass(name) IS NOT NULL",
                [system.tables.split(", ")],
            ).fetchone()
            assert found is not None
            connection.execute(f"TRUNCATE {found[0]} CASCADE")

    def settle(self, system: System) -> None:
        """The same start for everybody: statistics known, nothing left for a vacuum or a checkpoint to do."""
        if system.is_on_valkey:
            return
        with self.connect(system) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")


def say(text: str) -> None:
    print(text, flush=True)
