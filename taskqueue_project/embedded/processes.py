"""Watching processes by id, also those that are not our children."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")


def works_in(pid: int, directory: Path) -> bool:
    """Whether `pid` lives with `directory` as its working directory: an id alone may have been given to another.

    A zombie has none. Without /proc (macOS) the id has to do.
    """
    if (PROC / "self").exists():
        try:
            return (PROC / str(pid) / "cwd").readlink() == directory.resolve()
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def all_in(directory: Path) -> list[int]:
    """Every process that works in `directory`, as far as /proc tells."""
    ids = (int(entry.name) for entry in PROC.glob("[0-9]*"))
    return [pid for pid in ids if works_in(pid, directory)]


def wait_until(done: Callable[[], bool], timeout: float, interval: float = 0.05) -> bool:
    """Wait for `done()`, at most `timeout` seconds; whether it came true."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
