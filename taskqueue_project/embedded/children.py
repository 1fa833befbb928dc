"""Child processes of `up`: each leads a session of its own, so that a Ctrl-C in the terminal reaches only `up`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from taskqueue_project.embedded.processes import wait_until

PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs before exec so that it gets SIGTERM when its parent dies; None where only Linux can.

    The parent must start it from its main thread: the kernel watches the thread.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return before_exec


class Child:
    """One process, which can be started again after it ended."""

    def __init__(
        self, name: str, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._command = command
        self._cwd = cwd
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (our own commands)
            self._command,
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, for people."""
        status = self._process.poll() if self._process is not None else None
        if status is None:
            return "has not ended"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    @property
    def succeeded(self) -> bool:
        return self._process is not None and self._process.poll() == 0

    def end(self, patience: float, hurried: Callable[[], bool]) -> None:
        """SIGTERM and up to `patience` seconds, a second SIGTERM and 5 more, then SIGKILL. `hurried` cuts a wait short."""
        for seconds in (patience, 5.0):
            self.terminate()
            wait_until(lambda: not self.running or hurried(), seconds)
        self.kill()

    def terminate(self) -> None:
        """Ask it to end. Harmless when it did."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL for the process and whatever it started in its process group."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)


class KeptChild(Child):
    """A child that is started again whenever it ends, later each time unless it ran well for a minute."""

    def __init__(
        self, name: str, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        super().__init__(name, command, cwd=cwd, environment=environment)
        self._started = 0.0
        self._start_at: float | None = None
        self._delay = 0.5

    def start(self) -> None:
        self._started = time.monotonic()
        self._start_at = None
        super().start()

    def tend(self, say: Callable[[str], None]) -> None:
        """To be called often: starts it again when it is time."""
        if self.running:
            return
        now = time.monotonic()
        if self._start_at is None:
            self._delay = 1.0 if now - self._started > 60 else min(self._delay * 2, 30.0)
            self._start_at = now + self._delay
            say(f"The {self.name} {self.ending}; it starts again in {self._delay:.0f} s.")
        elif now >= self._start_at:
            self.start()
