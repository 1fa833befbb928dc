"""`manage.py …` as real processes: started, signalled and killed by id, their output kept in a file.

pytest adopts the orphans of its children (see conftest), so a process that ended may stay as a zombie:
ask `is_alive`, which knows, not `os.kill(pid, 0)`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The database that this test uses: in a test with the `db` fixtures pytest-django's, one for each xdist worker."""
    given = connection.settings_dict
    user, password, name = (quote(str(given[key]), safe="") for key in ("USER", "PASSWORD", "NAME"))
    return f"postgresql://{user}:{password}@{given['HOST']}:{given['PORT']}/{name}"


class ManageProcess:
    """One `manage.py` process in a session of its own."""

    def __init__(
        self, arguments: list[str], *, log: Path, environment: Mapping[str, str | None]
    ) -> None:
        """`environment` is laid over this process's own; None takes a variable away."""
        self.arguments = arguments
        self.log = log
        merged = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={name: value for name, value in merged.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, for this process alone: what it started has to find out."""
        self._process.kill()
        self._process.wait(timeout=10)

    def wait(self, timeout: float = 30) -> int:
        """Its exit status (negative: the signal that ended it); fails with its output if it does not end in time."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} does not end:\n{self.output[-4000:]}") from None

    def __repr__(self) -> str:
        return f"<manage.py {' '.join(self.arguments)}, process {self.pid}>"


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return _state_and_parent(pid)[0] not in ("", "Z", "X")


def children(pid: int) -> dict[int, str]:
    """The running children of `pid` with their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        state, parent = _state_and_parent(int(entry.name))
        if parent == pid and state not in ("Z", "X"):
            try:
                found[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:  # gone meanwhile
                continue
    return found


def descendants(pid: int) -> dict[int, str]:
    """The running processes below `pid` with their command lines."""
    direct = children(pid)
    return direct | {k: v for child in direct for k, v in descendants(child).items()}


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", 0
    # The second field, the name in brackets, may itself contain anything.
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)
