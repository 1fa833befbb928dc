"""Servers of the benchmarks' own under var/bench, made for a run and removed after it: PostgreSQL, durable, and Valkey."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from taskqueue_project.embedded.files import make_directory
from taskqueue_project.embedded.lock import lock
from taskqueue_project.embedded.place import elsewhere
from taskqueue_project.embedded.postgres import PostgresServer
from taskqueue_project.embedded.valkey import ValkeyServer

SHOWN = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "wal_sync_method",
)
"""Settings that the report names."""
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
SETTINGS = {**DURABLE, "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
"""Checkpoints happen between measurements, where we ask for them, not in the middle of one system's."""

VALKEY_SETTINGS = {
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "appendfsync": "everysec",
    "appendonly": "yes",
}


class Cluster:
    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    @property
    def pid(self) -> int:
        pid = self._server.pid
        assert pid is not None, "it runs as long as the `with` block"
        return pid

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=10)

    def url(self, database: str) -> str:
        return replace(self._server.address, name=database).url

    def create(self, database: str) -> None:
        with self.connect("taskqueue") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    def drop(self, database: str) -> None:
        with self.connect("taskqueue") as connection:
            name = sql.Identifier(database)
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def settings(self) -> dict[str, str]:
        """What the server says of itself. Raises AssertionError if it would not survive a power cut."""
        with self.connect("taskqueue") as connection:
            found = {name: _show(connection, name) for name in SHOWN}
        for name, value in DURABLE.items():
            assert found[name] == value, f"{name} is {found[name]}"
        return found


@contextmanager
def valkey(directory: Path) -> Iterator[ValkeyServer]:
    """A Valkey of the run's own for systems that need one; it may lose the last second, as such systems usually run."""
    server = ValkeyServer(directory / "valkey")
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            for name, value in VALKEY_SETTINGS.items():
                client.config_set(name, value)
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


@contextmanager
def started(directory: Path) -> Iterator[Cluster]:
    make_directory(directory)
    held = lock(directory)
    if held is None:
        raise SystemExit(f"Another benchmark runs in {directory}.")
    server = PostgresServer(directory / "postgres", settings=SETTINGS)
    try:
        _remove(server)  # what a killed run left
        server.start()
        yield Cluster(server)
    finally:
        _remove(server)
        os.close(held)


def _remove(server: PostgresServer) -> None:
    server.stop(immediate=True)
    shutil.rmtree(elsewhere(server.directory), ignore_errors=True)
    shutil.rmtree(server.directory, ignore_errors=True)


def _show(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])
