"""A PostgreSQL of this machine's own, of another version than the embedded one: `TEST_POSTGRES=15`, from Debian's package."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from taskqueue_project.embedded.ports import free_port
from tests.waiting import eventually


class SystemPostgres:
    """A new cluster in a directory of its own under /var/tmp, gone when it stops."""

    def __init__(self, version: str, settings: Mapping[str, str]) -> None:
        self.binaries = Path(f"/usr/lib/postgresql/{version}/bin")
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {}
        self._home = Path(tempfile.mkdtemp(dir="/var/tmp"))
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self._home, account.pw_uid, account.pw_gid)
        data = self._home / "data"
        subprocess.run(
            [self.binaries / "initdb", "-D", data, "-U", "taskqueue", "--auth=trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
            **self._as,
        )
        self._port = free_port(None)
        options = {
            **self.settings,
            "port": str(self._port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "timezone": "UTC",
        }
        self._process = subprocess.Popen(
            [self.binaries / "postgres", "-D", data]
            + [text for name, value in options.items() for text in ("-c", f"{name}={value}")],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._as,
        )
        eventually(self._answers, timeout=30)

    @property
    def url(self) -> str:
        return f"postgresql://taskqueue@127.0.0.1:{self._port}/postgres"

    def stop(self, *, immediate: bool) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            self._process.wait(30)
        shutil.rmtree(self._home, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
