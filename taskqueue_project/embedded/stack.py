"""Everything that `up` starts, and its end in order: web, worker (drained), Valkey, PostgreSQL."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import FrameType

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections

from taskqueue_project.embedded.children import Child, KeptChild
from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.files import make_directory, write_private
from taskqueue_project.embedded.lock import lock
from taskqueue_project.embedded.ports import LOOPBACK, is_free
from taskqueue_project.embedded.postgres import PostgresServer
from taskqueue_project.embedded.valkey import ValkeyServer

ADMINISTRATOR = "admin"


class Interrupted(Exception):
    """Somebody asked `up` to end."""


@dataclass
class Stack:
    port: int
    with_worker: bool
    with_demo: bool
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self._signals = 0
        environment = {
            **os.environ,
            "TASKQUEUE_VAR": str(settings.VAR_DIR),
            # Loopback without TLS, also with a DATABASE_URL, whose default is a redirect to HTTPS.
            "HTTPS": os.environ.get("HTTPS", "0"),
        }
        manage = [sys.executable, "manage.py"]
        web = [sys.executable, "-m", "uvicorn", "taskqueue_project.asgi:application"]
        web += ["--host", LOOPBACK, "--port", str(self.port), "--lifespan", "off"]
        web += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "5"]
        child = partial(Child, cwd=settings.BASE_DIR, environment=environment)
        self._migrate = child("migration", [*manage, "migrate", "-v", "0"])
        self._web = child("web server", web)
        self._demo = child("demonstration", [*manage, "index_sources"])
        self._worker = KeptChild(
            "worker", [*manage, "runworker"], cwd=settings.BASE_DIR, environment=environment
        )

    def run(self) -> int:
        """Start, watch until a signal or the end of the web server, stop. The exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._note_signal)
        with ExitStack() as ends:
            try:
                self._start(ends)
                self._watch()
            except Interrupted:
                self.say("Stopping.")
                return 0
            return 1

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        # Only noted: an exception out of any line could lose a process that was just started.
        self._signals += 1

    def _wait(self, done: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not done():
            if self._signals:
                raise Interrupted
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _start(self, ends: ExitStack) -> None:
        if not is_free(self.port):
            raise EmbeddedServerError(
                f"Port {self.port} of {LOOPBACK} is taken or not permitted: "
                "choose another with --port (or PORT= for `make run`), or end what listens there."
            )
        make_directory(settings.VAR_DIR)
        self._own_var(ends)
        self._keep_secret_key()
        if not settings.DATABASE_URL:
            self._start_postgres(ends)
        if not settings.REDIS_URL:
            self._start_valkey(ends)
        ends.callback(self._end, self._migrate, 10.0)
        self._run_migrations()
        ends.callback(self._end, self._worker, 30.0)
        ends.callback(self._end, self._web, 10.0)
        self._start_web()
        if self.with_worker:
            self._worker.start()
        self._introduce()
        if self.with_demo:
            ends.callback(self._end, self._demo, 5.0)
            self._demo.start()

    def _own_var(self, ends: ExitStack) -> None:
        descriptor = lock(settings.VAR_DIR)
        if descriptor is None:
            raise EmbeddedServerError(
                f"Another `up` runs with {settings.VAR_DIR}: end it, or give this one its own directory in TASKQUEUE_VAR."
            )
        ends.callback(os.close, descriptor)

    def _keep_secret_key(self) -> None:
        """SECRET_KEY of the embedded default: sessions outlive a restart. Ignored when the environment has one."""
        path = settings.VAR_DIR / "secret_key"
        if not settings.DATABASE_URL and not path.exists():
            write_private(path, secrets.token_urlsafe(50))

    def _start_postgres(self, ends: ExitStack) -> None:
        server = PostgresServer(settings.VAR_DIR / "postgres")
        server.start()
        ends.callback(server.stop)
        self._checkpoint()
        where = f"PostgreSQL runs on {LOOPBACK}:{server.address.port}, its data in {server.data}"
        if not server.data.is_relative_to(settings.VAR_DIR):
            where += " (its account cannot reach this directory)"
        self.say(f"{where}.")

    def _start_valkey(self, ends: ExitStack) -> None:
        server = ValkeyServer(settings.VAR_DIR / "valkey")
        try:
            server.start()
            ends.callback(server.stop)
        except (EmbeddedServerError, OSError, subprocess.SubprocessError) as error:
            self.say(f"Warning: without a cache, because Valkey did not start. {error}")
        self._checkpoint()

    def _checkpoint(self) -> None:
        if self._signals:
            raise Interrupted

    def _run_migrations(self) -> None:
        self._migrate.start()
        if not self._wait(lambda: not self._migrate.running, 600):
            raise EmbeddedServerError("`manage.py migrate` has not ended after 10 minutes.")
        if not self._migrate.succeeded:
            raise EmbeddedServerError(f"`manage.py migrate` {self._migrate.ending}; see above.")

    def _start_web(self) -> None:
        self._web.start()
        if not self._wait(lambda: not self._web.running or self._is_live(), 60):
            raise EmbeddedServerError(
                f"The web server does not answer GET http://{LOOPBACK}:{self.port}/livez with 200 after 60 s."
            )
        if not self._web.running:
            raise EmbeddedServerError(f"The web server {self._web.ending} before it answered.")

    def _is_live(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _introduce(self) -> None:
        root = f"http://{LOOPBACK}:{self.port}"
        lines = [f"console   {root}/console/", f"API docs  {root}/api/v1/docs/"]
        if not settings.DATABASE_URL:
            password = create_administrator()
            lines.append(f"user      {ADMINISTRATOR}")
            again = "`manage.py changepassword admin` sets another"
            lines.append(
                f"password  {password} (shown this once; {again})"
                if password
                else f"password  was shown on the first start; {again}"
            )
        self.say("\n".join(["", *lines, "Ctrl-C stops everything.", ""]))

    def _watch(self) -> None:
        """Return when the web server has ended by itself."""
        demo_runs = self.with_demo
        while self._web.running:
            self._checkpoint()
            if self.with_worker:
                self._worker.tend(self.say)
            if demo_runs and not self._demo.running:
                demo_runs = False
                if not self._demo.succeeded:
                    self.say(f"The demonstration {self._demo.ending}; everything else runs on.")
            time.sleep(0.2)
        self.say(f"The web server {self._web.ending}; stopping.")

    def _end(self, child: Child, patience: float) -> None:
        """End a child; each further Ctrl-C goes on to the next, less patient step."""
        seen = self._signals

        def hurried() -> bool:
            nonlocal seen
            more = self._signals > seen
            seen = self._signals
            return more

        child.end(patience, hurried)


def create_administrator() -> str | None:
    """A superuser for a database without any user: its random password, or None if there are users."""
    users = get_user_model()._default_manager
    try:
        if users.exists():
            return None
        password = secrets.token_urlsafe(12)
        users.create_superuser(ADMINISTRATOR, password=password)
        return password
    finally:
        connections.close_all()
