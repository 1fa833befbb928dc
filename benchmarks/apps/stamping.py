"""When a task started, by the machine's clock: one line per task in a ledger file."""

from __future__ import annotations

import os
import time
from pathlib import Path


def stamp_now(ledger: str, key: int) -> None:
    """Append `key time_ns`, in one write: lines of several processes do not mix."""
    now = time.time_ns()
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{key} {now}\n".encode())
    finally:
        os.close(descriptor)


def read(ledger: Path) -> dict[int, int]:
    """key → nanoseconds at which its task started, for whole lines."""
    if not ledger.exists():
        return {}
    lines = ledger.read_text().rpartition("\n")[0].splitlines()
    return {int(key): int(at) for key, at in (line.split() for line in lines)}
