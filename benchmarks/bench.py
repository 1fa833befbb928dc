"""What every benchmark is given: the cluster, the systems, how much of everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import children
from benchmarks.cluster import Cluster
from benchmarks.systems import System


@dataclass(frozen=True)
class Bench:
    cluster: Cluster
    systems: Sequence[System]
    directory: Path
    rounds: int
    quick: bool

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
        return self.cluster.connect(system.database)

    def environment(self, system: System) -> dict[str, str]:
        return {
            **system.environment,
            "DATABASE_URL": self.cluster.url(system.database),
            "PYTHONUNBUFFERED": "1",
        }

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def produce(self, system: System, *arguments: object, timeout: float = 300) -> Any:
        """The answer of the system's producer to a command."""
        log = self.log(f"{system.name}-{arguments[0]}")
        return children.answer(system.producer(*arguments), self.environment(system), log, timeout)

    def empty(self, system: System) -> None:
        with self.connect(system) as connection:
            connection.execute(f"TRUNCATE {system.tables} CASCADE")

    def is_empty(self, system: System) -> bool:
        with self.connect(system) as connection:
            return connection.execute("SELECT FROM tq_task_live LIMIT 1").fetchone() is None

    def settle(self, system: System) -> None:
        """The same start for everybody: statistics known, nothing left for a vacuum or a checkpoint to do."""
        with self.connect(system) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")


def say(text: str) -> None:
    print(text, flush=True)
