"""Processor time, which a busy machine spoils less than the clock on the wall (Linux: read from /proc)."""

from __future__ import annotations

import os
import resource
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def of_ended_children() -> float:
    """Seconds used by the processes that we started and that have ended, with all that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_tree(pid: int) -> float:
    """Seconds used by a running process, by its children, and by those of them that have ended; 0.0 without /proc."""
    total = 0.0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field, the name in brackets, may itself contain anything.
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile: its parent has its time
            continue
        user, system, ended_user, ended_system = (int(field) for field in fields[11:15])
        if int(file.parent.name) == pid:
            total += user + system + ended_user + ended_system
        elif int(fields[1]) == pid:
            total += user + system
    return total / TICK
