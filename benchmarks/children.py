"""Processes of a measurement: bounded in time, killed with all they started, and dead when we die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from taskqueue_project.embedded.children import die_with_parent

ROOT = Path(__file__).resolve().parent.parent

Command = Sequence[str | Path]


class MeasurementError(Exception):
    """A process failed or took too long; the message has the end of what it said."""


@contextmanager
def running(
    commands: Sequence[Command], environment: Mapping[str, str], log: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes, each the leader of a session of its own; whatever still runs at the end is killed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, ExitStack() as stack:
        processes = []
        for command in commands:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
            stack.callback(_kill_session, process)
            processes.append(process)
        yield processes


def wait(processes: Sequence[subprocess.Popen[bytes]], timeout: float) -> bool:
    """Whether all ended in time. Raises MeasurementError for one that failed."""
    deadline = time.monotonic() + timeout
    for process in processes:
        try:
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        if status:
            raise MeasurementError(f"{' '.join(map(str, process.args))} ended with {status}")  # type: ignore[arg-type]
    return True


def stop(processes: Sequence[subprocess.Popen[bytes]], timeout: float = 20.0) -> None:
    """SIGTERM and wait; what does not listen is killed by `running`."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return


def answer(command: Command, environment: Mapping[str, str], log: Path, timeout: float) -> Any:
    """The JSON in the last line that a process printed."""
    with running([command], environment, log) as processes:
        try:
            ended = wait(processes, timeout)
        except MeasurementError as error:
            raise MeasurementError(f"{error}\n{_end_of(log)}") from None
        if not ended:
            raise MeasurementError(f"not done in {timeout:.0f} s: {' '.join(map(str, command))}")
    return json.loads(log.read_text().splitlines()[-1])


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    # Not only the leader: its children are of the same group, unless they made one of their own.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
