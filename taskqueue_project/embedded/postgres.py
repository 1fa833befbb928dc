"""A PostgreSQL 18 server of our own: loopback only, password only, durable.

`directory` holds the port file, the password and the log; the data are beside them, or where `place` says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from taskqueue_project.embedded import cluster, processes
from taskqueue_project.embedded.address import Address
from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.files import last_lines, make_directory, open_log, write_private
from taskqueue_project.embedded.place import Place, data_directory, find_place
from taskqueue_project.embedded.ports import LOOPBACK, free_port

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer:
    """One cluster. Not locked: whoever owns `directory` keeps others from starting or stopping it meanwhile."""

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "taskqueue",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.name = name
        self.settings = {**SETTINGS, **(settings or {})}
        self.port_file = directory / "server.json"
        self.log = directory / "log"
        self._password_file = directory / "password"
        self._last_port = directory / "port"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return data_directory(self.directory)

    @property
    def address(self) -> Address:
        return Address.read(self.port_file)

    @property
    def url(self) -> str:
        return self.address.url

    @property
    def pid(self) -> int | None:
        """The process id of the server while it lives, whoever started it."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        lines = self._pid_lines()
        pid = int(lines[0]) if lines and lines[0].isdigit() else None
        return pid if pid is not None and processes.works_in(pid, self.data) else None

    def start(self, timeout: float = 60.0) -> None:
        """Start the server, or adopt one that a crash left running; return once it answers and has the database."""
        deadline = time.monotonic() + timeout
        make_directory(self.directory)
        place = find_place(self.directory)
        if not place.data.exists():
            cluster.initialise(
                place, self._password_file, sync=self.settings.get("fsync", "on") == "on"
            )
        password = cluster.password(place, self._password_file)
        if self.pid is None:
            (place.data / "postmaster.pid").unlink(missing_ok=True)
            self._wait_for_orphans(deadline)
            port = self._launch(place, password, deadline)
        else:
            port = self._adopt(password, deadline)
        address = Address(LOOPBACK, port, cluster.USER, password, self.name)
        _create_database(address)
        write_private(self._last_port, str(port))
        address.write(self.port_file)

    def stop(self, *, immediate: bool = False, timeout: float = 30.0) -> None:
        """Shut down: fast (sessions are cut, data checkpointed), or `immediate`, as a crash that recovers on start."""
        patience = [(signal.SIGINT, timeout), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)]
        for number, seconds in patience[1:] if immediate else patience:
            self._signal(number)
            if processes.wait_until(lambda: self.pid is None, seconds):
                break
        else:
            raise EmbeddedServerError(
                f"PostgreSQL (process {self.pid}) does not end: see {self.log}."
            )
        self.port_file.unlink(missing_ok=True)

    def kill(self, timeout: float = 10.0) -> None:
        """SIGKILL, leaving what a crash leaves: the port file, the pid file, sessions that find out later."""
        self._signal(signal.SIGKILL)
        if not processes.wait_until(lambda: self.pid is None, timeout):
            raise EmbeddedServerError(f"PostgreSQL (process {self.pid}) survived SIGKILL.")

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return

    def _pid_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _wait_for_orphans(self, deadline: float) -> None:
        """A killed server's sessions end when they notice; until then the shared memory is theirs."""
        if not processes.wait_until(
            lambda: not processes.all_in(self.data), deadline - time.monotonic()
        ):
            pids = " ".join(map(str, processes.all_in(self.data)))
            raise EmbeddedServerError(
                f"Sessions of a crashed PostgreSQL still use {self.data}: end them with `kill -QUIT {pids}`."
            )

    def _launch(self, place: Place, password: str, deadline: float) -> int:
        """Start a server process; return its port, the one before if it is free."""
        preferred = int(self._last_port.read_text()) if self._last_port.exists() else None
        for _ in range(5):
            port = free_port(preferred)
            log = open_log(self.log)
            try:
                self._process = subprocess.Popen(  # noqa: S603 (our own binary)
                    [place.binaries / "postgres", "-D", place.data, *self._options(port)],
                    cwd=place.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in the terminal is not for it
                    **place.account.owner,
                )
            finally:
                os.close(log)
            if self._answers(port, password, deadline):
                return port
            # Between our choice and its bind somebody else took the port: choose again.
            if "Address already in use" not in last_lines(self.log):
                break
        self.stop(immediate=True)
        raise EmbeddedServerError(
            f"PostgreSQL did not start in {place.data}; the end of {self.log}:\n{last_lines(self.log)}"
        )

    def _options(self, port: int) -> list[str]:
        settings = {**self.settings, "port": str(port)}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _adopt(self, password: str, deadline: float) -> int:
        """The port of the server that runs already."""
        # Line 4 of its pid file comes as soon as it knows its port.
        processes.wait_until(
            lambda: len(self._pid_lines()) >= 4 or self.pid is None, deadline - time.monotonic()
        )
        lines = self._pid_lines()
        if len(lines) >= 4 and self._answers(port := int(lines[3]), password, deadline):
            return port
        raise EmbeddedServerError(
            f"A PostgreSQL (process {self.pid}) runs in {self.data} but does not answer to {cluster.USER!r} "
            f"with the password in {self._password_file}: end it with `kill -INT {self.pid}`, then start again."
        )

    def _answers(self, port: int, password: str, deadline: float) -> bool:
        """Wait for the first session it grants; False once it is gone, refuses us or takes too long."""
        address = Address(LOOPBACK, port, cluster.USER, password, "postgres")
        while self.pid is not None and time.monotonic() < deadline:
            try:
                _connect(address).close()
            except psycopg.OperationalError as error:
                if "authentication failed" in str(error):
                    return False
                time.sleep(0.05)
            else:
                return True
        return False


def _connect(address: Address) -> psycopg.Connection[Any]:
    return psycopg.connect(address.url, connect_timeout=5, autocommit=True)


def _create_database(address: Address) -> None:
    with _connect(replace(address, name="postgres")) as connection:
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(known, [address.name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(address.name)))
